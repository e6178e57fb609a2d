"""The study told in order, as Markdown: every number in it comes from what the stages have written.

A section is a template; what it says of numbers is decided by `facts`, and what the original has is in `original`.
"""

import re
from collections.abc import Callable

from recognition.sweep.effects import CONFIDENCE
from recognition.telling import facts, original
from recognition.telling.filters import CHANCE
from recognition.telling.markdown import TEMPLATES, joined, table_head, table_row
from recognition.telling.study import Missing, Study

TITLE = "Recognition using deep networks, rebuilt"
SECTIONS = {  # the title of each, and its template
    "": "question",
    "The original and this": "comparison",
    "Data": "data",
    "Method": "method",
    "Digits": "digits",
    "Your own handwriting": "handwriting",
    "What the network sees": "filters",
    "Greek letters": "greek",
    "Many networks": "sweep",
    "Longer": "epochs",
    "MobileNet": "mobilenet",
    "The original's whole budget": "full",
    "What was wrong in the original": "defects",
    "What went worse than hoped": "disappointments",
}


def report(study: Study) -> str:
    """The whole report. What a stage has not written yet is a line that names the command for it."""
    parts = [f"# {TITLE}"]
    for title, name in SECTIONS.items():
        parts += [f"## {title}"] if title else []
        parts.append(section(name, study))
    return "\n\n".join(parts) + "\n"


def section(name: str, study: Study) -> str:
    try:
        return joined(TEMPLATES.get_template(f"{name}.md.j2").render(sources(study)))
    except Missing as gap:
        return f"*{command_for(gap)}*"


def command_for(gap: Missing) -> str:
    commands = {"full": "`make full`, some hours, and then `dvc repro report` fill"}  # no stage
    return f"Not there yet: {commands.get(str(gap), f'`dvc repro {gap} report` fills')} this gap."


def sources(study: Study) -> dict[str, object]:
    """What every template can ask."""

    def shown(words: str, *figures: str) -> str:
        for name in figures:
            study.figure(name, "")
        return words

    return {
        "study": study,
        "params": study.params,
        "metrics": study.metrics,
        "table": study.table,
        "download": study.download,
        "figure": study.figure,
        "shown": shown,
        "comparison": comparison,
        "table_head": table_head,
        "table_row": table_row,
        "facts": facts,
        "original": original,
        "CHANCE": CHANCE,
        "EXCEEDED": 1 - CONFIDENCE,
    }


def comparison(number: str, what: str, theirs: str, caller: Callable[[], str]) -> str:
    """A row of the table that holds the original against this. The block that calls it says what stands here and, after
    bars, n and the interval; where a stage has not written that yet, the row says so."""
    try:
        here = re.split(r"(?<!\\)\|", caller())
    except Missing as gap:
        here = [command_for(gap)]
    return table_row(number, what, theirs, *here, *[""] * (3 - len(here)))
