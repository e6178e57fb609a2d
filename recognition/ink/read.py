"""Reading handwriting with a trained network: one character a picture, or all of a sheet."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recognition.base.alphabet import SYMBOLS
from recognition.base.errors import UserError
from recognition.ink import touching
from recognition.ink.characters import Character, find_characters
from recognition.ink.decode import read_picture
from recognition.ink.lines import Box, in_lines, typical
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength
from recognition.ink.pictures import characters_of, no_ink, side_by_side
from recognition.training import evaluation
from recognition.training.checkpoints import Checkpoint

UNKNOWN = "?"  # what is read where there is no character of the network's
TURNS = 0, 90, 180, 270  # degrees, clockwise, by which a page may have to be turned
SURE = 0.9  # a reading's probability; of digits upright 97 % are above it, turned by 180 degrees 65 %, by 90 20 %
CLEARLY = 0.1  # of a sheet's characters, and at least 2: so many more must be sure, for the page to be turned


class Reading(NamedTuple):
    """What the network reads in one picture."""

    path: Path
    prediction: str  # the likeliest class
    probabilities: list[float]  # of every class, in the checkpoint's order
    characters: int  # that are in the picture, of which the heaviest is read

    def row(self) -> list[str | float]:
        """The cells of this reading, as `columns` names them."""
        return [self.path.as_posix(), self.prediction, max(self.probabilities), *self.probabilities]


def columns(classes: list[str]) -> list[str]:
    """The names of a row's cells: the reading, its probability, then the probability of every class."""
    return ["path", "prediction", "probability", *classes]


def read(
    checkpoint: Checkpoint, pictures: Sequence[Path], seen: Callable[[int], object] = lambda n: None
) -> tuple[list[Reading], list[str]]:
    """Read the one character of every picture that can be read. Returns the readings, and a line for each picture that
    cannot.

    `seen` is called with the number done since its last call.
    """

    def prepared(path: Path) -> tuple[Path, int, np.ndarray]:
        characters = characters_of(path)
        return path, len(characters), normalise(characters[0].ink)

    found = side_by_side(prepared, pictures, seen)
    failures = [str(one) for one in found if isinstance(one, UserError)]
    readable = [one for one in found if not isinstance(one, UserError)]
    if not readable:
        return [], failures
    rows = log_probabilities(checkpoint, [picture for _, _, picture in readable])
    readings = [
        Reading(path, checkpoint.classes[int(row.argmax())], row.exp().tolist(), n)
        for (path, n, _), row in zip(readable, rows, strict=True)
    ]
    return readings, failures


def log_probabilities(checkpoint: Checkpoint, pictures: np.ndarray | Sequence[np.ndarray]) -> Tensor:
    """Of every class, (N, classes), of pictures (28, 28) uint8. Raises UserError: they are no numbers."""
    batch = torch.from_numpy(np.ascontiguousarray(pictures))
    rows = evaluation.log_probabilities(checkpoint.network(), batch, checkpoint.normalisation)
    if rows.isnan().any():
        raise UserError("the network's weights lead to probabilities that are no numbers; train it anew: `dvc repro`")
    return rows


# ---- a sheet


class Read(NamedTuple):
    """A character of a sheet, and what the network reads in it."""

    box: Box  # left, top, right, bottom in the picture as it was given, pixels
    prediction: str  # the likeliest class
    probabilities: list[float]  # of every class, in the checkpoint's order
    picture: np.ndarray  # (28, 28) uint8, as the network saw it
    known: bool  # whether it is a character of the network's

    @property
    def sign(self) -> str:
        """What stands for it in a text: a class by its name, Greek letters as such."""
        return SYMBOLS.get(self.prediction, self.prediction) if self.known else UNKNOWN


class Sheet(NamedTuple):
    """What a network reads on a sheet."""

    turn: int  # degrees, clockwise, by which the picture was turned to be read
    lines: list[list[Read]]  # from top to bottom, each from left to right

    @property
    def text(self) -> str:
        """A line for each line; names that are longer than a sign have blanks between them."""
        lines = [[read.sign for read in line] for line in self.lines]
        between = " " if any(len(sign) > 1 for line in lines for sign in line) else ""
        return "\n".join(between.join(line) for line in lines)


class Page(NamedTuple):
    """A picture's file, read as a sheet."""

    path: Path
    sheet: Sheet
    scale: float  # pixels of the upright original to one of the sheet's boxes

    def rows(self) -> list[list[str | int | float]]:
        """A row for each character, its cells as `sheet_columns` names them; boxes on the upright original."""
        return [
            [
                *(self.path.as_posix(), line, place, *(round(self.scale * end) for end in read.box)),
                *(read.prediction if read.known else UNKNOWN, max(read.probabilities), *read.probabilities),
            ]
            for line, reads in enumerate(self.sheet.lines, 1)
            for place, read in enumerate(reads, 1)
        ]


def sheet_columns(classes: list[str]) -> list[str]:
    """The names of a row's cells: which line and place, from 1, the box in pixels, the reading as in `columns`."""
    path, *reading = columns(classes)
    return [path, "line", "place", "left", "top", "right", "bottom", *reading]


def read_sheets(
    checkpoint: Checkpoint,
    pictures: Sequence[Path],
    seen: Callable[[int], object] = lambda n: None,
    show: Callable[[Path, np.ndarray, Sheet], object] = lambda path, grey, sheet: None,
) -> tuple[list[Page], list[str]]:
    """Read all that is written in every picture that can be read. Returns the pages, and a line for each picture that
    cannot.

    `seen` is called with the number done since its last call; `show` with each picture's grey values, from any thread.
    """

    def page(path: Path) -> Page:
        grey, scale = read_picture(path)
        found = sheet(checkpoint, grey)
        if not found.lines:
            no_ink(path)
        show(path, grey, found)
        return Page(path, found, scale)

    found = side_by_side(page, pictures, seen)
    failures = [str(one) for one in found if isinstance(one, UserError)]
    return [one for one in found if not isinstance(one, UserError)], failures


def sheet(checkpoint: Checkpoint, grey: np.ndarray) -> Sheet:
    """Read every character on a picture (H, W) uint8, whichever of its sides is up. No lines: there is no ink."""
    seen = see(checkpoint, find_characters(strength(grey)))
    if not seen:
        return Sheet(0, [])
    turn = best_turn(checkpoint, np.stack([one.picture for one in seen]))
    if turn:
        seen = see(checkpoint, find_characters(strength(np.rot90(grey, -turn // 90))))
    seen = apart(checkpoint, seen)
    known = np.ones(len(seen), bool)
    reads = [
        Read(
            unturned(one.character.box, turn, grey.shape),
            checkpoint.classes[int(one.row.argmax())],
            one.row.exp().tolist(),
            one.picture,
            bool(is_known),
        )
        for one, is_known in zip(seen, known, strict=True)
    ]
    lines = in_lines([one.character.box for one in seen])
    return Sheet(turn, [[reads[i] for i in line] for line in lines])


class Seen(NamedTuple):
    """A character as the network sees it."""

    character: Character
    picture: np.ndarray  # (28, 28) uint8
    row: Tensor  # (classes,) log-probabilities


def see(checkpoint: Checkpoint, characters: Sequence[Character]) -> list[Seen]:
    if not characters:
        return []
    pictures = [normalise(character.ink) for character in characters]
    return [*map(Seen, characters, pictures, log_probabilities(checkpoint, pictures))]


def apart(checkpoint: Checkpoint, seen: Sequence[Seen]) -> list[Seen]:
    """The same characters, but those whose ink touches, as reading tells, cut apart."""
    usual = typical([one.character.ink.shape[0] for one in seen])
    found: list[Seen] = []
    for one in seen:
        height, width = one.character.ink.shape
        height = max(height, usual)
        if not touching.may_touch(width / height, float(one.row.max())):
            found.append(one)
            continue
        lattice = touching.lattice(one.character.ink, height)
        parts = see(checkpoint, [cropped(one.character, part) for part in lattice.parts.values()])
        by_cuts = dict(zip(lattice.parts, parts, strict=True))
        best = touching.best(lattice, {cuts: float(part.row.max()) for cuts, part in by_cuts.items()})
        found += [by_cuts[cuts] for cuts in best]
    return found


def cropped(character: Character, part: np.ndarray) -> Character:
    """A part of a character: its ink, (H, W), 0 where it is the other parts'."""
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    ink = part[top : rows[-1] + 1, left : columns[-1] + 1]
    return Character(character.top + top, character.left + left, ink, character.weight)


def best_turn(checkpoint: Checkpoint, pictures: np.ndarray) -> int:
    """Degrees, clockwise, by which characters (N, 28, 28) uint8 are to be turned to be read.

    A turn is right if it has clearly more of them surely read than have been as they are: a page of 8, 0 or 1 tells
    nothing, and of 6 it might be 9, so that in doubt it is not turned.
    """
    turns = [turned(pictures, degrees) for degrees in TURNS]
    surest = log_probabilities(checkpoint, np.concatenate(turns)).amax(1).view(len(TURNS), -1)
    sure = (surest > math.log(SURE)).sum(1).tolist()
    totals = surest.sum(1).tolist()
    best = max(range(len(TURNS)), key=lambda i: (sure[i], totals[i]))
    return TURNS[best] if sure[best] - sure[0] >= max(2, CLEARLY * len(pictures)) else 0


def turned(pictures: np.ndarray, degrees: int) -> np.ndarray:
    """Pictures (N, 28, 28) turned clockwise about their centres of mass, which lie right of and below the middle."""
    turned = np.rot90(pictures, -degrees // 90, axes=(1, 2))
    down, right = degrees in (180, 270), degrees in (90, 180)
    return np.roll(turned, (down, right), axis=(1, 2))


def unturned(box: Box, degrees: int, shape: tuple[int, int]) -> Box:
    """A box on a picture that was turned clockwise, on the picture (H, W) as it was before."""
    height, width = shape
    left, top, right, bottom = box
    match degrees:
        case 90:
            return top, height - right, bottom, height - left
        case 180:
            return width - right, height - bottom, width - left, height - top
        case 270:
            return width - bottom, left, width - top, right
    return box
