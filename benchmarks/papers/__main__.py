"""Kinds of paper and screen: how many digits are read right in pictures of each.

    python -m benchmarks.papers [--kind NAME] [--pictures FOLDER]

Four digits of each class of MNIST's test set, the same for every kind, are drawn as strokes of a pen, and the pictures
are read as `python -m recognition predict` does. A line for each kind says the share read right, and the share read
wrong with a probability above 90 %. Every draw comes from a seed, the kind's name and the picture's number. Some three
minutes of one core.
"""

import argparse
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.papers import pens, screens, sheets  # noqa: F401  which fill KINDS
from benchmarks.papers.drawing import DATA, KINDS, Kind

MODEL = Path(__file__).parents[2] / "models" / "train" / "checkpoint.pth"
SEED = 1  # MNIST's own pictures of its digits are all read right: what is not is the paper's
EACH = 4  # digits of a class
SURE = 0.9


def digits() -> list[tuple[str, np.ndarray]]:
    """Label and (28, 28) uint8 picture of those that are drawn."""
    from recognition.training import datasets

    split = datasets.load("mnist", DATA, train=False)
    order = np.random.default_rng(SEED).permutation(len(split.labels))
    chosen = [order[split.labels.numpy()[order] == label][:EACH] for label in range(10)]
    return [(str(int(split.labels[n])), split.pictures[n].numpy()) for n in np.concatenate(chosen)]


def random_of(name: str, number: int) -> np.random.Generator:
    """For a picture of a kind."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode()), number])


def write(folder: Path, name: str, kind: Kind, shown: list[tuple[str, np.ndarray]]) -> list[Path]:
    """Draw every digit in a picture of this kind into the folder; named after the label and a number."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (label, digit) in enumerate(shown):
        paths.append(folder / f"{label}_{number:02}.png")
        Image.fromarray(kind.picture(digit, random_of(name, number))).save(paths[-1], compress_level=1)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.papers", description="digits read right, by kind of picture"
    )
    parser.add_argument("--kind", choices=KINDS, metavar="NAME", help="this one alone: " + "; ".join(KINDS))
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="keep the pictures there, a folder for each kind"
    )
    given = parser.parse_args()

    from recognition.base.determinism import pin_torch
    from recognition.ink import read
    from recognition.training import checkpoints

    pin_torch()
    checkpoint, shown = checkpoints.load(MODEL), digits()
    print(f"{'kind':40}  right  wrong and sure", flush=True)
    for name in [given.kind] if given.kind else KINDS:
        with tempfile.TemporaryDirectory() as scratch:
            paths = write((given.pictures or Path(scratch)) / name.replace(" ", "_"), name, KINDS[name], shown)
            readings, _ = read.read(checkpoint, paths)  # what shows no ink is not read right
        right = sum(reading.prediction == reading.path.name[0] for reading in readings)
        sure = sum(r.prediction != r.path.name[0] and max(r.probabilities) > SURE for r in readings)
        print(f"{name:40}  {100 * right / len(shown):3.0f} %  {100 * sure / len(shown):3.0f} %", flush=True)


if __name__ == "__main__":
    import stages  # settles the instruction set, as for every stage

    stages.run(main)
