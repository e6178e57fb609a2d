"""Reading handwriting with a trained network: one character a picture, or all of a sheet."""

import math
import unicodedata
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
from recognition.ink.touching import Lattice
from recognition.training.checkpoints import Checkpoint

UNKNOWN = "?"  # what is read where there is no character of the network's
SURE = 0.9  # a reading's probability; of digits upright 97 % are above it, turned by 180 degrees 65 %, by 90 20 %
MANY = 5  # so many characters that are surely read show that a picture is upright
STROKE = 0.3  # of a character's extent: what is narrower is a single stroke
TWO_LINES = 1.5  # of the typical height: what is higher may be one above the other
CLEARLY = 0.1  # of a sheet's characters that tell, and at least 2: so many more must be surely read for it to be turned


class Reading(NamedTuple):
    """What the network reads in one picture."""

    path: Path
    prediction: str  # the likeliest class
    known: bool  # whether it is like what was learned; see training/doubt.py
    probabilities: list[float]  # of every class, in the checkpoint's order
    characters: int  # that are in the picture, of which the heaviest is read

    def row(self) -> list[str | float]:
        """The cells of this reading, as `columns` names them."""
        known = "yes" if self.known else "no"
        return [self.path.as_posix(), self.prediction, max(self.probabilities), known, *self.probabilities]


def columns(classes: list[str]) -> list[str]:
    """The names of a row's cells: the reading, its probability, whether it is known, the probability of every class."""
    return beside(["path", "prediction", "probability", "known"], classes)


def beside(named: list[str], classes: list[str]) -> list[str]:
    """Columns, then one for each class: by its name, with p_ before it where a column has that name."""
    return [*named, *(f"p_{name}" if name in named else name for name in classes)]


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
    rows, known = ask(checkpoint, [picture for _, _, picture in readable])
    readings = [
        Reading(path, checkpoint.classes[int(row.argmax())], is_known, row.exp().tolist(), n)
        for (path, n, _), row, is_known in zip(readable, rows, known, strict=True)
    ]
    return readings, failures


def ask(checkpoint: Checkpoint, pictures: Sequence[np.ndarray]) -> tuple[Tensor, list[bool]]:
    """Log-probabilities of every class, (N, classes), of pictures (28, 28) uint8, and whether they are known. Raises
    UserError: they are no numbers."""
    rows, known = checkpoint.read(torch.from_numpy(np.stack(pictures)))
    if rows.isnan().any():
        raise UserError("the network's weights lead to probabilities that are no numbers; train it anew: `dvc repro`")
    return rows, known.tolist()


# ---- a sheet


class Read(NamedTuple):
    """A character of a sheet, and what the network reads in it."""

    box: Box  # left, top, right, bottom in the picture as it was given, pixels
    prediction: str  # the likeliest class
    probabilities: list[float]  # of every class, in the checkpoint's order
    picture: np.ndarray  # (28, 28) uint8, as the network saw it
    known: bool  # whether it is a character of the network's
    character: Character  # its ink, on the picture as it was turned

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
        between = " " if any(is_long(sign) for line in lines for sign in line) else ""
        return "\n".join(between.join(line) for line in lines)


def is_long(name: str) -> bool:
    """Whether it is more than one sign; accents are part of what they stand over."""
    return sum(not unicodedata.category(sign).startswith("M") for sign in name) > 1


class Page(NamedTuple):
    """A picture's file, read as a sheet."""

    path: Path
    sheet: Sheet
    scale: tuple[float, float]  # pixels of the upright original to one of the sheet's boxes, to the right and down

    def box(self, read: Read) -> Box:
        """A character's box on the upright original; right and bottom are the first pixels beyond it."""
        left, top, right, bottom = read.box
        across, down = self.scale
        return round(across * left), round(down * top), round(across * right), round(down * bottom)

    def rows(self) -> list[list[str | int | float]]:
        """A row for each character, its cells as `sheet_columns` names them."""
        return [
            [
                *(self.path.as_posix(), line, place, *self.box(read)),
                *(read.prediction if read.known else UNKNOWN, max(read.probabilities), *read.probabilities),
            ]
            for line, reads in enumerate(self.sheet.lines, 1)
            for place, read in enumerate(reads, 1)
        ]


def sheet_columns(classes: list[str]) -> list[str]:
    """The names of a row's cells: which line and place, from 1, the box in pixels, of which right and bottom are the
    first beyond it, the reading, `?` for what is not known, its probability, then the probability of every class."""
    return beside(["path", "line", "place", "left", "top", "right", "bottom", "prediction", "probability"], classes)


def read_sheets(
    checkpoint: Checkpoint,
    pictures: Sequence[Path],
    seen: Callable[[int], object] = lambda n: None,
    show: Callable[[Page], object] = lambda page: None,
) -> tuple[list[Page], list[str]]:
    """Read all that is written in every picture that can be read. Returns the pages, and a line for each picture that
    cannot.

    `seen` is called with the number done since its last call; `show` with each page, from any thread.
    """

    def page(path: Path) -> Page:
        grey, scale = read_picture(path)
        found = Page(path, sheet(checkpoint, grey), scale)
        if not found.sheet.lines:
            no_ink(path)
        show(found)
        return found

    found = side_by_side(page, pictures, seen)
    failures = [str(one) for one in found if isinstance(one, UserError)]
    return [one for one in found if not isinstance(one, UserError)], failures


def sheet(checkpoint: Checkpoint, grey: np.ndarray, may_lie: bool = True) -> Sheet:
    """Read every character on a picture (H, W) uint8, whichever of its sides is up if it `may_lie` on another. No
    lines: there is no ink."""
    turn, seen = upright(checkpoint, grey) if may_lie else (0, look(checkpoint, grey, 0))
    if not seen:
        return Sheet(0, [])
    seen = apart(checkpoint, seen)
    reads = [
        Read(
            unturned(one.character.box, turn, grey.shape),
            checkpoint.classes[int(one.row.argmax())],
            one.row.exp().tolist(),
            one.picture,
            one.known,
            one.character,
        )
        for one in seen
    ]
    lines = in_lines([one.character.box for one in seen])
    return Sheet(turn, [[reads[i] for i in line] for line in lines])


class Seen(NamedTuple):
    """A character as the network sees it."""

    character: Character
    picture: np.ndarray  # (28, 28) uint8
    row: Tensor  # (classes,) log-probabilities
    known: bool  # whether it is a character of the network's

    @property
    def worth(self) -> float:
        """How well it is read, nats: 0 at best."""
        return float(self.row.max()) - (0 if self.known else touching.UNKNOWN)


def upright(checkpoint: Checkpoint, grey: np.ndarray) -> tuple[int, list[Seen]]:
    """Degrees, clockwise, by which a picture (H, W) uint8 is to be turned to be read, and its characters then.

    A turn is right if clearly more characters are surely read than without it: a page of 8, 0 or 1 tells nothing, and
    6 might be 9, so that in doubt it is not turned.
    """
    seen = look(checkpoint, grey, 0)
    telling = sum(tells(one) for one in seen)
    if not seen or sure(seen) >= max(MANY, (1 - CLEARLY) * telling):
        return 0, seen
    # Found anew: characters side by side stay apart, and those one above the other may not.
    sideways = look(checkpoint, grey, 90)
    ways = {0: seen, 90: sideways, 180: see_upside_down(checkpoint, seen), 270: see_upside_down(checkpoint, sideways)}
    best = max(ways, key=lambda turn: sure(ways[turn]))
    if sure(ways[best]) - sure(seen) < max(2, CLEARLY * telling):
        return 0, seen
    return best, look(checkpoint, grey, best)


def look(checkpoint: Checkpoint, grey: np.ndarray, turn: int) -> list[Seen]:
    """The characters of a picture (H, W) uint8 that is turned clockwise by so many degrees."""
    return see(checkpoint, find_characters(strength(np.rot90(grey, -turn // 90))))


def sure(seen: Sequence[Seen]) -> int:
    """How many characters are surely read, of those that tell which side is up."""
    return sum(tells(one) and one.known and float(one.row.max()) > math.log(SURE) for one in seen)


def tells(one: Seen) -> bool:
    """Whether a character tells which side is up: a stroke alone may be a one, or a minus on its side."""
    return min(one.character.ink.shape) > STROKE * max(one.character.ink.shape)


def see(checkpoint: Checkpoint, characters: Sequence[Character]) -> list[Seen]:
    return look_at(checkpoint, characters, [normalise(character.ink) for character in characters])


def see_upside_down(checkpoint: Checkpoint, seen: Sequence[Seen]) -> list[Seen]:
    """Turned about their centres of mass, which lie right of and below the middle by half a pixel."""
    turned = [np.roll(one.picture[::-1, ::-1], (1, 1), (0, 1)) for one in seen]
    return look_at(checkpoint, [one.character for one in seen], turned)


def look_at(checkpoint: Checkpoint, characters: Sequence[Character], pictures: Sequence[np.ndarray]) -> list[Seen]:
    if not characters:
        return []
    return [*map(Seen, characters, pictures, *ask(checkpoint, pictures))]


def apart(checkpoint: Checkpoint, seen: Sequence[Seen]) -> list[Seen]:
    """The same characters, but those whose ink touches, in a line or from line to line, as reading tells, cut apart."""
    usual = typical([len(one.character.ink) for one in seen])
    lattices = [ways_apart(one, usual) for one in seen]
    parts = iter(see(checkpoint, [part for lattice in lattices if lattice for part in lattice.parts.values()]))
    found: list[Seen] = []
    for one, lattice in zip(seen, lattices, strict=True):
        if lattice is None:
            found.append(one)
            continue
        by_cuts = {cuts: next(parts) for cuts in lattice.parts}
        best = touching.best(lattice, {cuts: part.worth for cuts, part in by_cuts.items()})
        found += [by_cuts[cuts] for cuts in best]
    return found


def ways_apart(one: Seen, usual: float) -> Lattice | None:
    """How a character might be cut, of a sheet whose are so many pixels high; None where it is one."""
    height, width = one.character.ink.shape
    if height > TWO_LINES * usual:
        if not touching.may_touch(height / usual, one.worth):
            return None
        lattice = touching.lattice(touching.flipped(one.character), usual)
        return lattice._replace(parts={cuts: touching.flipped(part) for cuts, part in lattice.parts.items()})
    scale = max(usual, height)
    return touching.lattice(one.character, scale) if touching.may_touch(width / scale, one.worth) else None


def divided(checkpoint: Checkpoint, piece: Character, names: Sequence[str], height: float) -> list[Character]:
    """A piece of ink known to be these characters, from the left to the right, about `height` pixels high: cut where
    each is likeliest to be what it is. Whole where they are not read so."""
    lattice = touching.lattice(piece, height)
    seen = dict(zip(lattice.parts, see(checkpoint, [*lattice.parts.values()]), strict=True))
    ways: dict[int, tuple[float, list[tuple[int, int]]]] = {0: (0.0, [])}
    for name in names:
        k, before, ways = checkpoint.classes.index(name), ways, {}
        for (i, j), one in seen.items():
            if i in before:
                way = before[i][0] + float(one.row[k]), [*before[i][1], (i, j)]
                ways[j] = max(way, ways.get(j, way))
    best = ways[lattice.last][1] if lattice.last in ways else []
    if [checkpoint.classes[int(seen[run].row.argmax())] for run in best] != [*names]:
        return [piece]
    return [seen[run].character for run in best]


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
