"""A data set of pictures of Greek letters: who drew which, and which are held out. No torch.

A data set is a folder with <letter>/*.png, dark ink on light paper of any size, and letters.csv, a row a picture.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from recognition.base import files
from recognition.base.alphabet import NAMES
from recognition.base.errors import UserError
from recognition.ink.normalise import IMAGE_SIZE
from recognition.ink.pictures import prepare_all

TABLE = "letters.csv"


class Letter(NamedTuple):
    """One picture of a letter: a row of letters.csv."""

    path: str  # below the data set's folder
    letter: str
    writer: str  # or typeface, or made-up hand; "" where unknown
    split: str  # "train" or "held_out"
    source: str  # where the picture came from, as greek.source in params.yaml names it
    origin: str  # what it was there: a path, a drawer, a face


def writers(names: Sequence[tuple[str, str]]) -> list[str]:
    """The writer of each (letter, file name without suffix): what is left of the name without the letter, if the same
    is left of another letter's; else "", unknown. So alpha/anna.png and beta/anna.png are anna's, alpha_001 and
    beta_001 are 001's, and a camera's numbers are nobody's.
    """
    rests = [re.sub(rf"(?<![a-z]){letter}(?![a-z])", "", name.lower()).strip("_- .") for letter, name in names]
    by_rest = defaultdict(set)
    for (letter, _), rest in zip(names, rests, strict=True):
        by_rest[rest].add(letter)
    return [rest if len(by_rest[rest]) > 1 else "" for rest in rests]


def split(pictures: Sequence[tuple[str, str, str]], share: float, seed: int) -> list[str]:
    """ "train" or "held_out" for each (path, letter, writer): whole writers, in an order drawn from `seed`, until about
    `share` of every letter is held out. Where the writer is unknown, single pictures.

    One picture of a letter at least is kept for training, whoever drew it.
    """
    hands = defaultdict(list)
    for i, (path, _, writer) in enumerate(pictures):
        hands[(writer, "") if writer else ("", path)].append(i)
    totals = Counter(letter for _, letter, _ in pictures)
    wanted = {letter: max(1, round(share * n)) if share > 0 else 0 for letter, n in totals.items()}
    held, found = Counter(), ["train"] * len(pictures)
    for hand in sorted(hands, key=lambda hand: hashlib.sha256(repr((seed, hand)).encode()).digest()):
        drawn = Counter(pictures[i][1] for i in hands[hand])
        if all(held[a] < wanted[a] and held[a] + n < totals[a] for a, n in drawn.items()):
            held += drawn
            for i in hands[hand]:
                found[i] = "held_out"
    return found


def write_table(folder: Path, letters: Iterable[Letter]) -> None:
    files.write_csv(folder / TABLE, Letter._fields, letters)


def read_table(folder: Path) -> list[Letter]:
    """The rows of a data set's letters.csv. Raises UserError where there is none."""
    try:
        return [Letter(**row) for row in files.read_csv(folder / TABLE)]
    except FileNotFoundError:
        raise UserError(f"{folder}: the Greek letters are not there; `dvc repro greek` fetches them") from None


def load(folder: Path, names: Iterable[str]) -> tuple[list[Letter], np.ndarray]:
    """The rows of these letters and their pictures as a network reads them, (N, 28, 28) uint8.

    In the order of the files' names, so that the first few are one of each letter. Raises UserError where a letter has
    no picture, or a picture is not as it was written.
    """
    rows = [row for row in read_table(folder) if row.letter in names]
    rows.sort(key=lambda row: (PurePath(row.path).name, NAMES.index(row.letter)))
    if lacking := set(names) - {row.letter for row in rows}:
        lacks = ", ".join(sorted(lacking, key=NAMES.index))
        raise UserError(f"{folder}: no picture of {lacks}; draw some, or set greek.source: auto in params.yaml")
    return rows, pictures(folder, rows)


def pictures(folder: Path, rows: Sequence[Letter]) -> np.ndarray:
    """These letters as a network reads them, (N, 28, 28) uint8. Raises UserError: one is not as it was written."""
    prepared = np.empty((len(rows), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for i, found in enumerate(prepare_all([folder / row.path for row in rows])):
        if isinstance(found, UserError):
            raise found
        prepared[i] = found
    return prepared
