"""Labelled pictures to learn from, of Greek letters or of the user's own signs: who drew which, and which are held out.
No torch.

They lie in a folder as <letter>/*; of the Greek letters, which come from several sources, a table letters.csv beside
them has a row a picture.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from recognition.base import files
from recognition.base.errors import UserError
from recognition.ink.normalise import IMAGE_SIZE
from recognition.ink.pictures import find_pictures, prepare_all

TABLE = "letters.csv"
LONGEST = 100  # bytes of a name, which is a folder's and a class's
COLLECTED = re.compile(r"(?:_(.+))?\.([0-9a-f]{8})-\d+")  # after the label: the writer, the sheet, a number on it


class Letter(NamedTuple):
    """One picture of a letter, or of a sign: a row of letters.csv."""

    path: str  # below the data set's folder
    letter: str  # or the sign's name
    writer: str  # or typeface, or made-up hand; "" where unknown
    split: str  # "train" or "held_out"
    source: str  # where the picture came from, as greek.source in params.yaml names it
    origin: str  # what it was there: a path, a drawer, a face


def writers(names: Sequence[tuple[str, str]]) -> list[str]:
    """The writer of each (letter, file name without suffix): what is left of the name without the letter, if the same
    is left of another letter's; else "", unknown. So alpha/anna.png and beta/anna.png are anna's, alpha_001 and
    beta_001 are 001's, and a camera's numbers are nobody's.

    What `collect` has cut from a sheet is its writer's, or the sheet's where nobody is named.
    """
    rests = [
        re.sub(rf"(?<![a-z]){re.escape(letter.lower())}(?![a-z])", "", name.lower()).strip("_- .")
        for letter, name in names
    ]
    by_rest = defaultdict(set)
    for (letter, _), rest in zip(names, rests, strict=True):
        by_rest[rest].add(letter)
    found = []
    for (letter, name), rest in zip(names, rests, strict=True):
        told = COLLECTED.fullmatch(name.removeprefix(letter))
        found.append(told[1] or told[2] if told else rest if len(by_rest[rest]) > 1 else "")
    return found


def split(pictures: Sequence[tuple[str, str, str]], share: float, seed: int) -> list[str]:
    """ "train" or "held_out" for each (path, letter, writer): whole writers, in an order drawn from `seed`, until about
    `share` of every letter is held out. Where the writer is unknown, or no writer can be spared, single pictures.

    One picture of a letter at least is kept for training, whoever drew it.
    """
    totals = Counter(letter for _, letter, _ in pictures)
    wanted = {letter: max(1, round(share * n)) if share > 0 else 0 for letter, n in totals.items()}
    held, found = Counter(), ["train"] * len(pictures)

    def hold_out(hands: dict[tuple[str, str], list[int]]) -> None:
        for hand in sorted(hands, key=lambda hand: hashlib.sha256(repr((seed, hand)).encode()).digest()):
            drawn = Counter(pictures[i][1] for i in hands[hand])
            if all(held[a] < wanted[a] and held[a] + n < totals[a] for a, n in drawn.items()):
                held.update(drawn)
                for i in hands[hand]:
                    found[i] = "held_out"

    hands = defaultdict(list)
    for i, (path, _, writer) in enumerate(pictures):
        hands[(writer, "") if writer else ("", path)].append(i)
    hold_out(hands)
    hold_out({("", path): [i] for i, (path, letter, _) in enumerate(pictures) if not held[letter]})
    return found


def own(root: Path, share: float, seed: int) -> tuple[list[Letter], np.ndarray, list[str]]:
    """The user's own signs, root/<name>/*, about `share` of each held out: N rows, the pictures as a network reads
    them, (N, 28, 28) uint8, and a line for each that cannot be read. Raises UserError where one lies in no folder, or
    in one whose name is too long.
    """
    there = find_pictures([root] if root.exists() else [])
    prepared = prepare_all(there.pictures)
    failures = there.complaints() + there.notes() + [str(one) for one in prepared if isinstance(one, UserError)]
    read = [(path, one) for path, one in zip(there.pictures, prepared, strict=True) if not isinstance(one, UserError)]
    paths = [path.relative_to(root) for path, _ in read]
    if alone := next((path for path in paths if len(path.parts) == 1), None):
        raise UserError(f"{root / alone}: no folder names its sign; move it into one, {root}/NAME/")
    names = [unicodedata.normalize("NFC", path.parts[0]) for path in paths]  # as keyboards type it
    if long := next((name for name in names if len(name.encode()) > LONGEST), None):
        raise UserError(f"{root / long}: a name of more than {LONGEST} bytes; give the folder a shorter one")
    whose = writers([(name, path.stem) for name, path in zip(names, paths, strict=True)])
    places = [path.as_posix() for path in paths]
    splits = split(list(zip(places, names, whose, strict=True)), share, seed)
    rows = [
        Letter(place, name, writer, side, "folder", (root / place).as_posix())
        for place, name, writer, side in zip(places, names, whose, splits, strict=True)
    ]
    return rows, np.array([one for _, one in read], np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE), failures


def write_table(folder: Path, letters: Iterable[Letter]) -> None:
    files.write_csv(folder / TABLE, Letter._fields, letters)


def read_table(folder: Path) -> list[Letter]:
    """The rows of a data set's letters.csv. Raises UserError where there is none."""
    try:
        return [Letter(**row) for row in files.read_csv(folder / TABLE)]
    except FileNotFoundError:
        raise UserError(f"{folder}: the Greek letters are not there; `dvc repro greek` fetches them") from None


def load(folder: Path, names: Sequence[str]) -> tuple[list[Letter], np.ndarray]:
    """The rows of these letters and their pictures as a network reads them, (N, 28, 28) uint8.

    In the order of the files' names, so that the first few are one of each letter. Raises UserError where a letter has
    no picture, or a picture is not as it was written.
    """
    rows = [row for row in read_table(folder) if row.letter in names]
    rows.sort(key=lambda row: PurePath(row.path).name)  # letters of the same name stay in the table's order
    if lacking := [name for name in names if name not in {row.letter for row in rows}]:
        raise UserError(
            f"{folder}: no picture of {', '.join(lacking)}; draw some, or set greek.source: auto in params.yaml"
        )
    return rows, pictures(folder, rows)


def pictures(folder: Path, rows: Sequence[Letter]) -> np.ndarray:
    """These letters as a network reads them, (N, 28, 28) uint8. Raises UserError: one is not as it was written."""
    prepared = np.empty((len(rows), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for i, found in enumerate(prepare_all([folder / row.path for row in rows])):
        if isinstance(found, UserError):
            raise found
        prepared[i] = found
    return prepared
