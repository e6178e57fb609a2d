"""Read the user's own handwritten digits."""

import sys
from pathlib import Path

from recognition import checkpoints, files, handwriting, reading, scores
from recognition.determinism import pin_torch
from stages import run

PICTURES = Path("data/handwriting/digits")
MODEL = Path("models/train/checkpoint.pth")
REPORTS = Path("reports/recognise")


def main() -> None:
    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    pictures = handwriting.find_pictures([PICTURES]) if PICTURES.exists() else []
    readings, failures = reading.read(checkpoint, pictures)
    for failure in failures:
        print(f"left out: {failure}", file=sys.stderr)

    labels = [handwriting.label_of(r.path, checkpoint.classes) for r in readings]
    right = [r.prediction == label for r, label in zip(readings, labels, strict=True) if label is not None]
    metrics = {**scores.accuracy(sum(right), len(right)), "unlabelled": labels.count(None), "unreadable": len(failures)}
    files.write_json(REPORTS / "metrics.json", {"handwriting": metrics})
    files.write_csv(
        REPORTS / "readings.csv",
        ["label", *reading.columns(checkpoint.classes)],
        [[label or "", *r.row()] for label, r in zip(labels, readings, strict=True)],
    )


if __name__ == "__main__":
    run(main)
