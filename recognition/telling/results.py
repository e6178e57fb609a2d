"""What a run ends with: the study's numbers beside the original's, on one screen."""

from collections.abc import Callable

from recognition.telling import facts, original
from recognition.telling.markdown import counted, percent
from recognition.telling.study import Missing, Study

NEXT = """
The report: {reports}/report.html, for a browser, and {reports}/report.md; the figures: {reports}/figures/
Your own:   python -m recognition predict photo.jpg"""


def results(study: Study) -> str:
    """A dozen lines for a terminal. What a stage has not written yet names the command for it."""
    lines = [("right on the test set", "here", "the original"), *(told(*row) for row in rows(study))]
    left, middle = (max(len(line[i]) for line in lines) for i in (0, 1))
    table = [f"{what:<{left}}  {here:<{middle}}  {theirs}".rstrip() for what, here, theirs in lines]
    return "\n".join([*table, NEXT.format(reports=study.reports)])


def told(what: str, here: Callable[[], str], theirs: str) -> tuple[str, str, str]:
    try:
        return what, here(), theirs
    except Missing as gap:
        return what, f"not there: dvc repro {gap}", theirs


def rows(study: Study) -> list[tuple[str, Callable[[], str], str]]:
    """What, how many are right here, and how many were in the original."""
    asked, theirs, grid = study.metrics, original.ACCURACIES, study.params.sweep
    networks = len(grid.architectures) * len(grid.kernel_sizes) * len(grid.filters)
    epochs = study.params.mobilenet.epochs

    def tested(*keys: str) -> str:
        return percent(asked(*keys)["test_accuracy"])

    def longer() -> str:
        return f"{tested('epochs', 'epochs')} after {counted(asked('epochs', 'epochs')['chosen'], 'epoch')}"

    def letters(name: str) -> tuple[str, Callable[[], str], str]:
        known, own = facts.letters(study, name), original.LETTERS[name]
        what = f"new letters: {', '.join(known[:3])}{'…' if known[3:] else ''}"
        return what, lambda: of(asked(f"finetune/{name}", name, "all_layers")), of_original(own)

    return [
        ("digits, MNIST", lambda: tested("evaluate", "mnist"), percent(theirs["digits"])),
        ("digits by hand", lambda: of(asked("recognise", "handwriting", "digits")), of_original(original.OWN_DIGITS)),
        *map(letters, original.LETTERS),
        (
            f"clothes, the best of {counted(networks, 'network')}, {counted(grid.epochs, 'epoch')}",
            lambda: tested("sweep", "sweep", "best"),
            f"{percent(theirs['best_network'])}, {counted(original.EPOCHS['networks'], 'epoch')}",
        ),
        (
            "clothes, the same network longer",
            longer,
            f"{percent(theirs['longer'])} after {counted(original.BUDGETS['best'], 'epoch')}",
        ),
        (
            f"clothes, MobileNet, {counted(epochs, 'epoch')}",
            lambda: tested("mobilenet", "mobilenet"),
            f"{percent(theirs['mobilenet'])}, {counted(original.MOBILENET['epochs'], 'epoch')}",
        ),
    ]


def of(scores: dict) -> str:
    return f"{facts.right(scores)} of {scores['n']}" if scores["n"] else "none there"


def of_original(own: dict) -> str:
    return f"{own['right']} of {own['n']}"
