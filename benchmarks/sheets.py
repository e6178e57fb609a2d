"""Kinds of sheet: how many of the characters on each are read right.

    python -m benchmarks.sheets [--kind NAME] [--pictures FOLDER]

Digits of MNIST's test set are drawn as strokes of a pen, in rows, beside signs
that the digit network does not know, and the sheets are read as `python -m recognition read` does. A line for each kind
says the share of characters read right, which is 1 less the edit distance over their number, and how many sheets are
read whole. Every draw comes from a seed, the kind's name and the sheet's number. Some two minutes of one core.
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from benchmarks.papers.__main__ import MODEL, random_of
from benchmarks.papers.drawing import DATA, any_of, by_hand, camera, lines, over, paper, pen, put, soft, strokes

EACH = 6  # sheets of a kind
OF_TEST = 5000  # of MNIST's test set, the first: those that are easier to read

Drawn = tuple[np.ndarray, list[str]]  # the picture, (H, W) uint8, and its lines; ? for what is no digit
KINDS: dict[str, Callable[[Generator], Drawn]] = {}


def kind(name: str, **settings: object) -> Callable[[Callable], Callable]:
    """Enter a function into KINDS, once for every name that it is given; `settings` are handed to it by name."""

    def enter(draw: Callable) -> Callable:
        KINDS[name] = functools.partial(draw, **settings)
        return draw

    return enter


# --- writing


@functools.cache
def hands() -> dict[str, np.ndarray]:
    """Pictures (n, 28, 28) uint8 of each digit."""
    from recognition.training import datasets

    split = datasets.load("mnist", DATA, train=False)[:OF_TEST]
    return {str(digit): split.pictures[split.labels == digit].numpy() for digit in range(10)}


def character(sign: str, height: float, random: Generator) -> np.ndarray:
    """A digit, plus or minus in a box of its own: share of ink."""
    width = height / 12
    if sign in "+-":
        middle, reach = height / 2, 0.3 * height
        corners = [
            [(middle - reach, middle), (middle + reach, middle)],
            [(middle, middle - reach), (middle, middle + reach)],
        ]
        drawn = [by_hand((round(height), round(height)), line, width, random) for line in corners[: 1 + (sign == "+")]]
        return np.max(drawn, axis=0)
    choice = hands()[sign]
    return strokes(choice[random.integers(len(choice))], height)


def write(
    ink: np.ndarray, text: str, at: tuple[float, float], height: float, random: Generator, pitch: float = 1.2
) -> list[tuple[float, float]]:
    """Put a line of writing on a sheet, from `at`, x and y of the middle of its first character; `pitch` in heights.

    Returns where its characters' middles are. A blank leaves room.
    """
    x, y = at
    places = []
    for sign in text:
        if sign != " ":
            size = height * any_of(random, 0.92, 1.08)
            one = character(sign, size, random)
            middle = y + height * any_of(random, -0.06, 0.06)
            put(ink, one, middle - one.shape[0] / 2, x - one.shape[1] / 2)
            places.append((x, middle))
        x += pitch * height
    return places


def paragraph(
    texts: Sequence[str],
    shape: tuple[int, int],
    at: tuple[float, float],
    apart: float,
    height: float,
    random: Generator,
    pitch: float = 1.2,
) -> np.ndarray:
    """A sheet (H, W) with these lines, the first at `at`, the middles of the others `apart` pixels below each other."""
    ink = blank(*shape)
    for n, text in enumerate(texts):
        write(ink, text, (at[0], at[1] + apart * n), height, random, pitch)
    return ink


def any_digits(n: int, random: Generator) -> str:
    return "".join(str(d) for d in random.integers(0, 10, n))


def known(text: str) -> str:
    return "".join(sign if sign.isdigit() else "?" for sign in text if sign != " ")


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width), np.float32)


def photo(ink: np.ndarray, random: Generator, under: np.ndarray | None = None) -> np.ndarray:
    """Of ink on a white sheet, or on what is under it."""
    level = paper(ink.shape, random) if under is None else under
    return camera(pen(level, ink, random), random)


# --- kinds


@kind("rows", turn=0)
@kind("rows, head down", turn=2)
@kind("rows, on the side", turn=1)
def rows(random: Generator, turn: int) -> Drawn:
    texts = [any_digits(7, random) for _ in range(4)]
    ink = paragraph(texts, (720, 1000), (120, 110), 160, 90, random)
    return np.rot90(photo(ink, random), turn), texts


@kind("rows close to each other")
def close(random: Generator) -> Drawn:
    texts = [any_digits(7, random) for _ in range(5)]
    ink = paragraph(texts, (620, 900), (100, 90), 107, 90, random, 1.1)
    return photo(ink, random), texts


@kind("a row underlined")
def underlined(random: Generator) -> Drawn:
    texts = [any_digits(5, random), any_digits(5, random)]
    ink = paragraph(texts, (520, 800), (110, 110), 240, 90, random)
    y, rise = 110 + 45 + any_of(random, 14, 30), any_of(random, -12, 12)
    under = by_hand(ink.shape, [(50, y + rise), (610, y - rise)], 7, random)
    return photo(np.maximum(ink, under), random), texts


@kind("a sum in a column")
def added(random: Generator) -> Drawn:
    texts = [" " + any_digits(3, random), "+" + any_digits(3, random), " " + any_digits(3, random)]
    ink = blank(620, 620)
    for text, y in zip(texts, (110, 240, 430), strict=True):
        write(ink, text, (110, y), 100, random)
    bar = by_hand(ink.shape, [(60, 325), (540, 325 + any_of(random, -10, 10))], 8, random)
    return photo(np.maximum(ink, bar), random), [known(text) for text in texts]


@kind("sums, line by line")
def sums(random: Generator) -> Drawn:
    texts = [f"{any_digits(2, random)}{'+-'[n % 2]}{any_digits(2, random)}" for n in range(4)]
    ink = paragraph(texts, (620, 760), (110, 90), 140, 90, random)
    return photo(ink, random), [known(text) for text in texts]


@kind("rows of signs")
def signs(random: Generator) -> Drawn:
    texts = ["+" * 5, "-" * 5, any_digits(5, random)]
    ink = paragraph(texts, (460, 700), (110, 90), 140, 90, random)
    return photo(ink, random), [known(text) for text in texts]


@kind("a part in a box")
def partly(random: Generator) -> Drawn:
    texts = [any_digits(6, random), any_digits(6, random), any_digits(2, random)]
    ink = paragraph(texts[:2], (700, 900), (110, 100), 140, 80, random)
    write(ink, texts[2], (400, 470), 80, random)
    corners = [(310, 400), (590, 400), (590, 545), (310, 545), (310, 400)]
    return photo(np.maximum(ink, by_hand(ink.shape, corners, 6, random)), random), texts


@kind("large above small", ratio=0.5)
@kind("large above less large", ratio=0.7)
def sizes(random: Generator, ratio: float) -> Drawn:
    texts = [any_digits(5, random), any_digits(8, random)]
    ink = blank(480, 860)
    write(ink, texts[0], (110, 120), 120, random)
    write(ink, texts[1], (90, 180 + 120 * ratio / 2 + any_of(random, 40, 70)), 120 * ratio, random)
    return photo(ink, random), texts


@kind("two digits alone")
def pair(random: Generator) -> Drawn:
    text = "1" + any_digits(1, random) if random.random() < 0.5 else any_digits(2, random)
    ink = blank(400, 520)
    first, second = (character(sign, 150, random) for sign in text)
    put(ink, first, 200 - first.shape[0] / 2, 240 - first.shape[1])
    put(ink, second, 200 - second.shape[0] / 2, 240 + 150 * any_of(random, 0.08, 0.3))
    return photo(ink, random), [text]


@kind("columns that are not level", shift=0.9)
@kind("columns that are level", shift=0)
def columns(random: Generator, shift: float) -> Drawn:
    texts = [[any_digits(3, random) for _ in range(4)] for _ in range(2)]
    ink = blank(780, 900)
    for side, column in enumerate(texts):
        for n, text in enumerate(column):
            write(ink, text, (90 + 480 * side, 90 + 150 * n + 80 * shift * side), 80, random)
    return photo(ink, random), [*texts[0], *texts[1]] if shift else [a + b for a, b in zip(*texts, strict=True)]


@kind("ruled, with margins", margin=0.08)
@kind("ruled from edge to edge", margin=-0.1)
@kind("dark ruling from edge to edge", margin=-0.1, tone=0.65)
@kind("squared, with margins", margin=0.06, squared=True)
def ruled(random: Generator, margin: float, tone: float = 0.8, squared: bool = False) -> Drawn:
    texts = [any_digits(6, random) for _ in range(3)]
    ink = paragraph(texts, (700, 1000), (170, 150), 190, 90, random, 1.3)
    level = paper(ink.shape, random)
    angle = any_of(random, -2, 2)
    drawn = lines(ink.shape, angle, 62, 2.2)
    if squared:
        drawn = np.maximum(drawn, lines(ink.shape, angle + 90, 62, 2.2))
    drawn[:, : max(0, int(margin * 1000))] = drawn[:, int(1000 - margin * 1000) :] = 0
    return photo(ink, random, over(level, drawn, tone * level.min())), texts


@kind("a finger over the corner")
def finger(random: Generator) -> Drawn:
    texts = [any_digits(8, random) for _ in range(3)]
    ink = paragraph(texts, (700, 1000), (80, 80), 110, 45, random, 1.5)
    y, x = np.mgrid[:700, :1000]
    away = np.hypot(x - any_of(random, 850, 950), y - any_of(random, 690, 760))
    level = over(paper(ink.shape, random), soft(any_of(random, 90, 220) - away, 0.2).astype(np.float32), 120)
    return photo(ink, random, level), texts


@kind("digits that touch")
def touching(random: Generator) -> Drawn:
    text = any_digits(6, random)
    ink = blank(300, 900)
    x = 60.0
    for sign in text:
        one = character(sign, 110, random)
        put(ink, one, 150 - one.shape[0] / 2, x)
        x += one.shape[1] + any_of(random, -8, 4)
    return photo(ink, random), [text]


# --- reading


def distance(a: Sequence, b: Sequence) -> int:
    """V. Levenshtein's: the fewest signs to insert, leave out or replace."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row = row, [i]
        for j, y in enumerate(b):
            row.append(min(last[j] + (x != y), last[j + 1] + 1, row[j] + 1))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sheets", description="characters read right, by kind of sheet"
    )
    parser.add_argument("--kind", choices=KINDS, metavar="NAME", help="this one alone: " + "; ".join(KINDS))
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep the sheets there")
    given = parser.parse_args()

    from recognition.base.determinism import pin_torch
    from recognition.ink import read
    from recognition.training import checkpoints

    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    print(f"{'kind':32}  characters  whole", flush=True)
    for name in [given.kind] if given.kind else KINDS:
        wrong = n = whole = 0
        for number in range(EACH):
            picture, texts = KINDS[name](random_of(name, number))
            if given.pictures:
                given.pictures.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(given.pictures / f"{name.replace(' ', '_')}_{number}.png")
            wanted, found = "\n".join(texts), read.sheet(checkpoint, picture).text
            off = distance(found, wanted)
            wrong, n, whole = wrong + off, n + len("".join(texts)), whole + (off == 0)
        print(f"{name:32}  {100 * (1 - wrong / n):8.1f} %  {whole} of {EACH}", flush=True)


if __name__ == "__main__":
    import stages  # settles the instruction set, as for every stage

    stages.run(main)
