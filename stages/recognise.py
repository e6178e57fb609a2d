"""Read the user's own handwriting: digits, and Greek letters with the network that knows them."""

from pathlib import Path

from recognition.base import alphabet, files
from recognition.base.determinism import pin_torch
from recognition.ink import dataset, read
from recognition.ink.pictures import find_pictures, label_of
from recognition.training import checkpoints, scores
from stages import left_out, run

DIGITS = Path("data/handwriting/digits")
LETTERS = Path("data/handwriting/greek")
LEARNED = Path("data/greek")
DIGIT_MODEL = Path("models/train/checkpoint.pth")
LETTER_MODELS = {name: Path("models/finetune") / name / "all_layers.pth" for name in ("greek", "greek_extended")}
REPORTS = Path("reports/recognise")


def main() -> None:
    pin_torch()
    files.write_json(REPORTS / "metrics.json", {"handwriting": {"digits": read_digits(), "greek": read_letters()}})


def read_digits() -> dict[str, int | float]:
    """Read the digits, write a row for each, and return how many are right."""
    checkpoint = checkpoints.load(DIGIT_MODEL)
    found = find_pictures([DIGITS] if DIGITS.exists() else [])
    readings, unreadable = read.read(checkpoint, found.pictures)
    left_out(found.complaints() + found.notes() + unreadable)
    labels = [label_of(r.path, checkpoint.classes) for r in readings]
    files.write_csv(
        REPORTS / "readings.csv",
        ["label", *read.columns(checkpoint.classes)],
        [[label or "", *r.row()] for label, r in zip(labels, readings, strict=True)],
    )
    right = [r.prediction == label for r, label in zip(readings, labels, strict=True) if label is not None]
    lost = len(found.unread) + len(unreadable)
    unknown = sum(not r.known for r in readings)
    facts = {"unknown": unknown, "unlabelled": labels.count(None), "unreadable": lost}
    return {**scores.accuracy(sum(right), len(right)), **facts}


def read_letters() -> dict[str, int | float]:
    """Read each letter with the first network that knows it. Those that the networks have learned from do not count."""
    models = {name: checkpoints.load(path) for name, path in LETTER_MODELS.items()}
    learned = {row.origin for row in dataset.read_table(LEARNED) if row.source == "folder" and row.split == "train"}
    asked: dict[str, list[Path]] = {name: [] for name in models}
    failures: list[str] = []
    found = find_pictures([LETTERS] if LETTERS.exists() else [])
    for path in found.pictures:
        letter = alphabet.named_in(path.relative_to(LETTERS))
        if name := next((name for name, model in models.items() if letter in model.classes), None):
            asked[name].append(path)
        elif letter is None:
            failures.append(f"{path}: names no Greek letter; move it into a folder named after one")
        else:
            failures.append(f"{path}: no network knows {letter}; add it to finetune.greek.letters in params.yaml")
    rows: list[list] = []
    for name, paths in asked.items():
        readings, unreadable = read.read(models[name], paths)
        failures += unreadable
        for r in readings:
            label = alphabet.named_in(r.path.relative_to(LETTERS))
            picture = "learned" if r.path.as_posix() in learned else "new"
            rows.append([label, name, picture, *r.row()[:4]])
    left_out(found.complaints() + found.notes() + failures)
    header = ["label", "network", "picture", *read.columns([])]
    files.write_csv(REPORTS / "letters.csv", header, sorted(rows, key=lambda row: row[3]))
    right = [row[0] == row[4] for row in rows if row[2] == "new"]
    lost = len(found.unread) + len(failures)
    unknown = sum(row[6] == "no" for row in rows)
    facts = {"unknown": unknown, "learned": len(rows) - len(right), "left_out": lost}
    return {**scores.accuracy(sum(right), len(right)), **facts}


if __name__ == "__main__":
    run(main)
