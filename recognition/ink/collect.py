"""A sheet of handwriting to labelled pictures of one character each, by what is written on it. No torch."""

import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from recognition.base import files, fingerprints
from recognition.base.alphabet import NAMES, SYMBOLS
from recognition.base.errors import UserError, quoted
from recognition.ink import touching
from recognition.ink.characters import Character, find_characters
from recognition.ink.dataset import LONGEST
from recognition.ink.decode import read_grey
from recognition.ink.draw import draw
from recognition.ink.geometry import TOUCHING
from recognition.ink.lines import in_lines, typical
from recognition.ink.paper import strength
from recognition.ink.pictures import no_ink, with_others

WORD = re.compile(r"[a-z]{2,}(?:[_-][a-z]+)*")  # a name
LETTERS = {symbol: name for name, symbol in SYMBOLS.items()}
LONGEST_WRITER = 60  # bytes
UNUSUAL = 4  # times the paper's median deviation: what differs more is a ruled line, a shadow or a blot


class Collected(NamedTuple):
    """Labelled pictures, of which those of `new` were not there before."""

    pictures: list[Path]
    new: list[Path]
    cut: int  # characters that touched others and were cut apart


Divide = Callable[[Character, Sequence[str], float], list[Character]]  # ink, what it is, how high such characters are


def by_width(piece: Character, names: Sequence[str], height: float) -> list[Character]:
    return touching.divided(piece, len(names), height)


def collect(sheet: Path, text: str, writer: str, home: Path, shown: Path, divide: Divide = by_width) -> Collected:
    """Cut a sheet into pictures in `home`, which is data/handwriting, labelled by the `text` that is written on it.

    Where a line has fewer characters than are said, `divide` cuts apart what touches.

    Nothing that is there is overwritten, and what an interrupted call has left out is added by the same one. What is
    found, and as what, is drawn into `shown`, a PNG, as nothing else tells a sheet that stands on its head. Raises
    UserError where what is found is not what is said, and where the sheet was collected as something else.
    """
    said = names_of(text)
    by = checked_writer(writer)
    if sheet.exists() and not sheet.is_file():
        raise UserError(f"{sheet}: not a file; name one picture, of a sheet")
    grey = read_grey(sheet)
    found = find_characters(strength(grey)) or no_ink(sheet)
    lines = [[found[i] for i in line] for line in in_lines([character.box for character in found])]
    if len(said) == len(lines):
        usual = typical([len(one.ink) for one in found])
        lines = [apart(line, names, usual, divide) for names, line in zip(said, lines, strict=True)]
    order = [one for line in lines for one in line]
    if wrong := mismatch(said, [len(line) for line in lines]):
        files.write_png(shown, draw(grey, [(one.box, str(n)) for n, one in enumerate(order, 1)]))
        raise UserError(
            f"{sheet}: {wrong}; nothing is written; {shown} shows what is found; say that, or write it anew"
        )
    labels = [
        names[i] if len(names) > 1 else names[0]
        for names, line in zip(said * (len(lines) if len(said) == 1 else 1), lines, strict=True)
        for i in range(len(line))
    ]
    signs = [f"{n} {SYMBOLS.get(label, label)}" for n, label in enumerate(labels, 1)]
    files.write_png(shown, draw(grey, [*zip([one.box for one in order], signs, strict=True)]))
    mark = fingerprints.mark(sheet.read_bytes())
    paths = [home / path_of(label, by, mark, n) for n, label in enumerate(labels, 1)]
    if others := sorted(set(home.rglob(f"*.{mark}-*.png")) - set(paths)):
        before = with_others(others)
        raise UserError(f"{sheet}: collected before as {before}; remove them to collect it as something else")
    new = [i for i, path in enumerate(paths) if not path.exists()]
    for i in new:
        files.write_png(paths[i], Image.fromarray(cut(grey, order, order[i])))
    whole = {id(one) for one in found}
    return Collected(paths, [paths[i] for i in new], sum(id(one) not in whole for one in order))


def apart(line: Sequence[Character], names: Sequence[str], height: float, divide: Divide) -> list[Character]:
    """The characters of a line that are to be these: where they are fewer, those that are widest are cut apart, if they
    are wide enough to be several. A line of one name may be of any number."""
    wide = [one.ink.shape[1] / max(height, len(one.ink)) for one in line]
    parts = [1 for _ in line]
    for _ in range(len(names) - len(line)):
        i = max(range(len(line)), key=lambda i: wide[i] / (parts[i] + 1))
        parts[i] += wide[i] / (parts[i] + 1) >= touching.NARROWEST
    ends = itertools.accumulate(parts)
    return [
        part
        for one, k, end in zip(line, parts, ends, strict=True)
        for part in (divide(one, names[end - k : end], max(height, len(one.ink))) if k > 1 else [one])
    ]


def names_of(text: str) -> list[list[str]]:
    """The names of what is written, line by line: of "7+α/beta x" ["7", "+", "alpha"] and ["beta", "x"].

    A word in small letters of a to z, between blanks, is a name, and so is Alpha; of whatever else each sign is one.
    Raises UserError for what is no name.
    """
    lines = [signs_of(line.strip()) for line in unicodedata.normalize("NFC", text).split("/")]
    if not all(lines):
        raise UserError(f"--as {quoted(text)}: a line is empty; say what is written in it")
    return [[checked_name(name) for name in line] for line in lines]


def checked_name(name: str) -> str:
    """The same. Raises UserError where no folder can have it."""
    if not name.isprintable() or name.startswith(".") or len(name.encode()) > LONGEST:
        raise UserError(f"--as {quoted(name)}: no name that a folder can have; name it with a word in small letters")
    return name


def signs_of(line: str) -> list[str]:
    """The names of what stands in a line."""
    names: list[str] = []
    for part in line.split():
        if ((name := part.lower()) in NAMES and part in (name, name.capitalize())) or WORD.fullmatch(part):
            names.append(name)
            continue
        signs: list[str] = []
        for sign in part:
            if unicodedata.category(sign).startswith("M") and signs:
                signs[-1] += sign  # an accent over the sign before
            else:
                signs.append(LETTERS.get(unicodedata.normalize("NFKC", sign), sign))
        names += signs
    return names


def checked_writer(writer: str) -> str:
    """The name as it stands in a file's. Raises UserError."""
    name = unicodedata.normalize("NFC", writer).strip()
    if not re.fullmatch(r"[\w -]*", name) or len(name.encode()) > LONGEST_WRITER:
        raise UserError(
            f"--writer {quoted(writer)}: a name is letters, digits, blanks, - and _, {LONGEST_WRITER} bytes at most"
        )
    return name


def mismatch(said: Sequence[Sequence[str]], found: Sequence[int]) -> str | None:
    """What differs between the names of each line and how many characters it has; one name alone is for all of them,
    and where it is the only line, for all lines."""
    if len(said) == 1 and len(said[0]) == 1:
        return None
    if len(said) != len(found):
        return f"{len(found)} {'line' if len(found) == 1 else 'lines'} found of {len(said)}"
    for number, (names, n) in enumerate(zip(said, found, strict=True), 1):
        if len(names) not in (1, n):
            return f"{n} found of {len(names)}{f' in line {number}' if len(said) > 1 else ''}"
    return None


def path_of(label: str, writer: str, sheet: str, number: int) -> Path:
    """Where a picture lies below data/handwriting; see dataset.COLLECTED."""
    name = f"{label}{f'_{writer}' if writer else ''}.{sheet}-{number:03}.png"
    if re.fullmatch(r"[0-9]", label):
        return Path("digits", name)
    return Path("greek" if label in NAMES else "signs", label, name)


def cut(grey: np.ndarray, characters: Sequence[Character], chosen: Character) -> np.ndarray:
    """One character of a picture (H, W) uint8 and half its extent of paper on every side, on which is nothing else.

    Paper stays as it is, as its noise tells what is ink.
    """
    left, top, right, bottom = chosen.box
    margin = max(right - left, bottom - top) // 2 + 8
    rows, columns = np.arange(top - margin, bottom + margin), np.arange(left - margin, right + margin)
    around = np.ix_(np.clip(rows, 0, grey.shape[0] - 1), np.clip(columns, 0, grey.shape[1] - 1))
    written = np.zeros(grey.shape, dtype=bool)
    for one in characters:
        left, top, right, bottom = one.box
        written[top:bottom, left:right] |= one.ink > 0
    part, ink, own = grey[around], written[around], np.pad(chosen.ink > 0, margin)
    others, near, bare = grown(ink & ~own), grown(own), part[~grown(ink)]
    paper = np.median(bare if bare.size else part)
    usual = max(2, UNUSUAL * np.median(abs(bare - paper))) if bare.size else 0
    return np.where((others & ~own) | (~near & (abs(part - paper) > usual)), paper, part).astype(np.uint8)


def grown(mask: np.ndarray) -> np.ndarray:
    """With what surrounds it: the soft edges of strokes."""
    return ndimage.binary_dilation(mask, TOUCHING, iterations=2)
