"""What is true of the study, found by comparing its numbers. The words are the templates'."""

from itertools import combinations

from recognition.sweep.effects import HYPOTHESES, Noise
from recognition.telling import original
from recognition.telling.filters import CHANCE
from recognition.telling.study import Study

Rows = list[dict[str, str]]
FEW = 0.1  # an interval wider than that says that pictures are few


def ends(epochs: Rows) -> Rows:
    """The first, second and last epoch of a training."""
    return [epochs[i] for i in dict.fromkeys([0, min(1, len(epochs) - 1), len(epochs) - 1])]


def best_epoch(epochs: Rows) -> str:
    return min(epochs, key=lambda row: float(row["train_loss"]))["epoch"]


def as_good_as_the_original(epochs: Rows) -> Rows:
    """The epochs after which as many held-out digits are read as the original reads of the test set."""
    return [row for row in epochs if float(row["held_out_accuracy"]) >= original.ACCURACIES["digits"]]


def right(scores: dict, prefix: str = "") -> int:
    """How many pictures are read right."""
    return round(scores[f"{prefix}accuracy"] * scores["n"])


def hardest(classes: Rows) -> dict[str, str]:
    return min(classes, key=lambda row: float(row["accuracy"]))


def misread(readings: Rows) -> Rows:
    return [row for row in readings if row["label"] not in ("", row["prediction"])]


def filter_kinds(filters: Rows) -> tuple[list[tuple[int, str]], int]:
    """The forms beyond chance, the most frequent first, each with its number; and how many filters have none."""
    kinds = [row["kind"] for row in filters if float(row["chance"]) < CHANCE]
    ordered = sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))  # a set's own order varies
    return [(kinds.count(kind), kind) for kind in ordered], len(filters) - len(kinds)


def letters(study: Study, name: str) -> list[str]:
    """The letters of a study of finetune."""
    return {"greek": study.params.finetune.greek, "greek_extended": study.params.finetune.greek_extended}[name].letters


def other_letters(study: Study, name: str) -> list[str]:
    """The letters, where they are not the original's."""
    return [] if letters(study, name) == original.LETTERS[name]["letters"] else letters(study, name)


def rendered(study: Study) -> bool:
    """Whether no letter was written by a person."""
    return study.metrics("greek", "letters")["sources"] == "rendered"


def writers(rows: Rows) -> list[str]:
    return sorted({row["writer"] for row in rows})


def classes(rows: Rows) -> list[str]:
    """Those whose log-probabilities a table has."""
    return [column.removeprefix("log_p_") for column in rows[0] if column.startswith("log_p_")]


def log_probabilities(row: dict[str, str]) -> list[str]:
    """A row's, in the order of `classes`."""
    return [value for column, value in row.items() if column.startswith("log_p_")]


def printed_networks(cells: Rows) -> dict[str, str]:
    """The number of parameters of every architecture with the kernel size and filters that the original prints."""
    return {
        row["architecture"]: row["parameters"] for row in cells if (row["kernel_size"], row["filters"]) == ("5", "10")
    }


def seeds(study: Study) -> list[int]:
    params = study.params
    return sorted({params.train.seed, params.finetune.seed, params.sweep.seed, params.mobilenet.seed})


def dimensions(study: Study) -> list[dict]:
    """For each dimension of the sweep: its hypothesis, its levels' means, the pairs apart, and the verdict."""
    means, effects = study.table("sweep", "effects"), study.metrics("sweep", "sweep", "effects")
    found = []
    for name, hypothesis in HYPOTHESES.items():
        own = [(row["level"], float(row["held_out_accuracy"])) for row in means if row["dimension"] == name]
        limit = effects[name]["threshold"]
        apart = [
            (a, b) if x > y else (b, a)
            for (a, x), (b, y) in combinations(own, 2)
            if limit is not None and abs(x - y) > limit
        ]
        facts = {"name": name.replace("_", " "), "words": hypothesis.words, "means": own, "apart": apart}
        found.append(facts | effects[name])
    return found


def close_to_the_best(study: Study) -> tuple[float, int] | None:
    """By how much two networks as good as each other differ on these pictures in 95 % of pairs, and how many networks
    are that close to the best; None where the noise was not measured."""
    noise = study.metrics("sweep", "sweep", "noise")
    if noise["held_out_sd"] is None:
        return None
    chance = Noise.of(noise).threshold(levels=2, cells=1)
    found = [float(row["held_out_accuracy"]) for row in study.table("sweep", "cells") if row["grid"] == "1"]
    return chance, sum(accuracy > max(found) - chance for accuracy in found) - 1


def gains(study: Study) -> dict | None:
    """What more epochs gain on the held-out pictures: the steps that chance does not explain, and the last step. None
    for one number of epochs, or where the noise was not measured."""
    facts, rows = study.metrics("epochs", "epochs"), study.table("epochs", "budgets")
    held_out = {int(row["epochs"]): float(row["held_out_accuracy"]) for row in rows}
    if len(held_out) == 1 or facts["threshold"] is None:
        return None
    beyond = [(a, b) for a, b in combinations(held_out, 2) if held_out[b] - held_out[a] > facts["threshold"]]
    a, b = list(held_out)[-2:]
    return {
        "beyond": beyond,
        "last": (a, b),
        "by": held_out[b] - held_out[a],
        "still": facts["enough"] == max(held_out),
    }


def sweeps_own(study: Study) -> bool:
    """Whether one of the trainings with several numbers of epochs is that of the sweep."""
    own = (str(study.params.sweep.epochs), str(study.params.sweep.seed))
    return any((row["epochs"], row["seed"]) == own for row in study.table("epochs", "runs"))


def filters_trend(study: Study) -> list[tuple[str, float]]:
    """The mean accuracy by number of filters, the least first."""
    rows = [row for row in study.table("sweep", "effects") if row["dimension"] == "filters"]
    return sorted(((row["level"], float(row["held_out_accuracy"])) for row in rows), key=lambda pair: int(pair[0]))


def not_better(study: Study) -> list[tuple[str, dict, float, bool]]:
    """Accuracies on test sets that the original's is above or inside the interval of: the key of original.ACCURACIES,
    ours, the original's, and whether ours is surely less."""
    ours = {
        "best_network": study.metrics("sweep", "sweep", "best"),
        "longer": study.metrics("epochs", "epochs"),
        "mobilenet": study.metrics("mobilenet", "mobilenet"),
        "digits": study.metrics("evaluate", "mnist"),
    }
    theirs = original.ACCURACIES
    return [
        (what, own, theirs[what], own["test_accuracy_high"] < theirs[what])
        for what, own in ours.items()
        if own["test_accuracy_low"] <= theirs[what]
    ]


def not_confirmed(study: Study) -> list[dict]:
    confirmed = ("confirmed", "not asked", "noise not measured")
    return [facts for facts in dimensions(study) if facts["hypothesis"] not in confirmed]


def few_letters(study: Study) -> list[tuple[str, dict]]:
    """The studies of letters with few held out, and their scores."""
    scores = {name: study.metrics(f"finetune/{name}", name, "all_layers") for name in original.LETTERS}
    return [(name, own) for name, own in scores.items() if few(own)]


def few(scores: dict) -> bool:
    """Whether there are pictures, but not enough to be sure of the accuracy."""
    return bool(scores["n"]) and scores["accuracy_high"] - scores["accuracy_low"] > FEW
