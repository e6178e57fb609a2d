"""A digit on paper: in any light, on what is printed, beside what the pen draws, and wherever the paper lies.

Most kinds differ in one step from a plain picture, and are functions of that step alone.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from benchmarks.papers.drawing import (
    Sheet,
    along,
    another,
    any_of,
    around,
    box,
    by_hand,
    camera,
    grain,
    kind,
    lines,
    lit,
    over,
    paper,
    pen,
    polygon,
    put,
    sheet,
    slope,
    soft,
    stroke_width,
    turned,
    written,
)

LABELS = "", "Age", "Number", "Points", "1.", "Room"
WOODS = (70, 45, 30), (45, 40, 38), (88, 60, 40)


# --- light


def light(name: str, **settings: object) -> Callable[[Callable], Callable]:
    """Enter a function of light: of where the digit is to the share that falls on each pixel."""

    def enter(shares: Callable) -> Callable:
        @kind(name)
        def draw(ink: np.ndarray, random: Generator) -> np.ndarray:
            at, level = written(ink, random)
            return camera(lit(level, shares(at, random, **settings)), random)

        return shares

    return enter


@light("falling light")
def falling(at: Sheet, random: Generator) -> np.ndarray:
    return slope(at.shape, random, 0.35)


@light("dark corners")
def dark_corners(at: Sheet, random: Generator) -> np.ndarray:
    away = along(at.shape, 0) ** 2 + along(at.shape, 90) ** 2
    return 1 - any_of(random, 0.4, 0.7) * away / away.max()


@light("hard shadow")
def hard_shadow(at: Sheet, random: Generator) -> np.ndarray:
    edge = along(at.shape, any_of(random, 0, 360)) - any_of(random, -0.3, 0.3) * at.size
    return 1 - any_of(random, 0.2, 0.35) * soft(edge, 1 / any_of(random, 2, 6))


@light("shadow of a hand")
def hand_shadow(at: Sheet, random: Generator) -> np.ndarray:
    angle = any_of(random, 0, 360)
    reach = along(at.shape, angle) - any_of(random, 0.25, 0.4) * max(at.shape)
    fingers = at.size * 0.15 * np.sin(along(at.shape, angle + 90) / at.size * any_of(random, 3, 6))
    return 1 - any_of(random, 0.3, 0.5) * ndimage.gaussian_filter(soft(reach + fingers), at.size / 8)


@light("crease of light", bright=(0.08, 0.2))
@light("crease of shadow", bright=(-0.25, -0.1))
def crease(at: Sheet, random: Generator, bright: tuple[float, float]) -> np.ndarray:
    across = along(at.shape, any_of(random, 0, 180)) - any_of(random, -0.5, 0.5) * at.size
    return 1 + any_of(random, *bright) * np.exp(-((across / (at.size * any_of(random, 0.01, 0.03))) ** 2))


@light("folded")
def folded(at: Sheet, random: Generator) -> np.ndarray:
    across = along(at.shape, 90 * random.integers(4) + any_of(random, -4, 4)) - any_of(random, -0.4, 0.4) * at.size
    return 1 - any_of(random, 0.06, 0.15) * soft(across, 0.3) - 0.15 * soft(1.5 - abs(across))


@light("bands of the sensor")
def banded(at: Sheet, random: Generator) -> np.ndarray:
    waves = along(at.shape, 90) / (any_of(random, 0.05, 0.2) * at.size)
    return 1 + any_of(random, 0.02, 0.05) * np.sin(2 * np.pi * waves)


@light("coarse paper")
def coarse(at: Sheet, random: Generator) -> np.ndarray:
    return 1 + 0.022 * np.sum([grain(at.shape, random, size) for size in (1, 3, 12)], axis=0)


# --- what the paper is like, and what is printed on it


def printed(name: str, fill: tuple[float, float] = (0.3, 0.7), **settings: object) -> Callable[[Callable], Callable]:
    """Enter a function that gives the paper's levels, before the digit is written."""

    def enter(levels: Callable) -> Callable:
        @kind(name)
        def draw(ink: np.ndarray, random: Generator) -> np.ndarray:
            at = sheet(ink, random, fill)
            return camera(pen(levels(at, random, **settings), at.ink, random), random)

        return levels

    return enter


@printed("newspaper")
def newspaper(at: Sheet, random: Generator) -> np.ndarray:
    grey = any_of(random, 140, 170)
    return lit(paper(at.shape, random, (grey + 6, grey, grey - 14)), 1 + 0.03 * grain(at.shape, random, 1))


@printed("the back shows through")
def shown_through(at: Sheet, random: Generator) -> np.ndarray:
    back = np.zeros_like(at.ink)
    for _ in range(random.integers(2, 5)):
        top, left = random.uniform(-0.2, 0.9, 2) * at.shape
        put(back, another(random, at.size * any_of(random, 0.6, 1.2))[:, ::-1], top, left)
    back = ndimage.gaussian_filter(back, at.size / 80)
    return pen(paper(at.shape, random), back * any_of(random, 0.08, 0.18), random)


@printed("stain of coffee")
def stained(at: Sheet, random: Generator) -> np.ndarray:
    x, y = random.uniform(-0.5, 0.5, 2) * at.shape[::-1]
    radius = at.size * any_of(random, 0.4, 0.8)
    away = np.hypot(along(at.shape, 0) - x, along(at.shape, 90) - y) + grain(at.shape, random, 8)
    ring = np.exp(-(((away - radius) / (at.size * 0.025)) ** 2)) + 0.35 * soft(radius - away)
    share = any_of(random, 0.12, 0.25) * np.minimum(ring, 1)
    return over(paper(at.shape, random, (232, 230, 224)), share, (120, 75, 35))


@printed("ruled level", angle=0)
@printed("ruled upright", angle=90)
@printed("ruled at a slant", angle=5)
def ruled(at: Sheet, random: Generator, angle: float) -> np.ndarray:
    apart, width = at.size * any_of(random, 0.4, 1), max(1.2, at.size * any_of(random, 0.007, 0.015))
    rules = lines(at.shape, angle + any_of(random, -1, 1), apart, width, any_of(random, 0, apart))
    return over(paper(at.shape, random), rules, any_of(random, 75, 140))


@printed("ruled with dark corners")
def ruled_and_dark(at: Sheet, random: Generator) -> np.ndarray:
    return lit(ruled(at, random, 0), dark_corners(at, random))


@printed("squared")
def squared(at: Sheet, random: Generator) -> np.ndarray:
    apart, phase, tilt = at.size * any_of(random, 0.2, 0.45), any_of(random, 0, at.size), any_of(random, -1, 1)
    width = max(1.0, at.size * any_of(random, 0.004, 0.01))
    grid = np.maximum(*(lines(at.shape, angle + tilt, apart, width, phase) for angle in (0, 90)))
    return over(paper(at.shape, random), grid, (130, 150, 190))


@printed("dots")
def dotted(at: Sheet, random: Generator) -> np.ndarray:
    apart, phase = at.size * any_of(random, 0.15, 0.35), any_of(random, 0, at.size)
    width = max(2.0, at.size * any_of(random, 0.015, 0.025))
    grid = lines(at.shape, 0, apart, width, phase) * lines(at.shape, 90, apart, width, phase)
    return over(paper(at.shape, random), grid, any_of(random, 110, 160))


@printed("field of a form", fill=(0.25, 0.5))
def form(at: Sheet, random: Generator) -> np.ndarray:
    left, top, right, bottom = around(at, random, 0.08, 0.3)
    image = Image.new("L", at.shape[::-1])
    draw = ImageDraw.Draw(image)
    width, gap = max(1, round(at.size * any_of(random, 0.01, 0.025))), 0.07 * at.size
    draw.rectangle((left, top, right, bottom), outline=255, width=width)
    label, font = LABELS[random.integers(len(LABELS))], ImageFont.load_default(at.size * any_of(random, 0.12, 0.25))
    if draw.textlength(label, font) < left - 2 * gap:
        draw.text((left - gap, (top + bottom) / 2), label, fill=255, font=font, anchor="rm")
    else:
        draw.text((left, top - gap), label, fill=255, font=font, anchor="ls")
    image = image.rotate(any_of(random, -1.5, 1.5), Image.Resampling.BILINEAR)
    return over(paper(at.shape, random), np.asarray(image, np.float32) / 255, any_of(random, 20, 80))


# --- what the pen draws beside it


def beside(name: str, fill: tuple[float, float], fine: bool = True) -> Callable[[Callable], Callable]:
    """Enter a function that gives what else the digit's own pen covers."""

    def enter(marks: Callable) -> Callable:
        @kind(name, fine=fine)
        def draw(ink: np.ndarray, random: Generator) -> np.ndarray:
            at = sheet(ink, random, fill, stray=0.2)
            share = np.maximum(at.ink, marks(at, random))
            return camera(pen(paper(at.shape, random), share, random), random)

        return marks

    return enter


@beside("underlined", fill=(0.3, 0.6))
def underlined(at: Sheet, random: Generator) -> np.ndarray:
    width = stroke_width(at.ink)
    x, y = (at.left + at.right) / 2, at.bottom + width / 2 + at.size * any_of(random, 0.05, 0.14)
    reach, rise = at.size * any_of(random, 0.5, 0.8), at.size * any_of(random, -0.04, 0.04)
    return by_hand(at.shape, [(x - reach, y + rise), (x + reach, y - rise)], width, random)


@beside("boxed by pen", fill=(0.3, 0.55))
def boxed(at: Sheet, random: Generator) -> np.ndarray:
    width = stroke_width(at.ink)
    room = width / 2 / at.size
    corners = turned(box(*around(at, random, room + 0.1, room + 0.35)), any_of(random, -4, 4))
    return by_hand(at.shape, [*corners, corners[0]], width, random)


@beside("smaller neighbour", fill=(0.25, 0.4), fine=False)
def neighbour(at: Sheet, random: Generator) -> np.ndarray:
    other = another(random, at.size * any_of(random, 0.55, 0.85))
    gap = at.size * any_of(random, 0.1, 0.35)
    left = at.right + gap if random.random() < 0.5 else at.left - gap - other.shape[1]
    covered = np.zeros_like(at.ink)
    put(covered, other, at.top + random.random() * (at.bottom - at.top - other.shape[0]), left)
    return covered


# --- where it lies


@kind("in a corner")
def cornered(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random, (0.25, 0.4))
    covered, room = np.zeros_like(at.ink), 0.08 * at.size
    ends = (whole - part - room for whole, part in zip(at.shape, ink.shape, strict=True))
    top, left = (room if random.random() < 0.5 else end for end in ends)
    put(covered, ink, top, left)
    return camera(pen(paper(at.shape, random), covered, random), random)


@kind("edge of a dark table")
def table_edge(ink: np.ndarray, random: Generator) -> np.ndarray:
    at, level = written(ink, random, (0.3, 0.55), stray=0.1)
    side = random.integers(4)
    half = at.shape[1 - side % 2] / 2
    table = soft(along(at.shape, 90 * side + any_of(random, -4, 4)) - half * any_of(random, 0.75, 0.9))
    return camera(over(level, table, desk(at, random)), random)


@kind("white paper on a dark desk", corner=False)
@kind("its corner on a dark desk", corner=True)
def on_desk(ink: np.ndarray, random: Generator, corner: bool) -> np.ndarray:
    at, level = written(ink, random, (0.25, 0.45), stray=0.1)
    shares = random.uniform(0.35, 0.75, 4)  # of the room on each side of the digit
    if corner:  # beyond the picture to one side, and up or down
        shares[[2 * random.integers(2), 1 + 2 * random.integers(2)]] = 3
    left, top, right, bottom = shares * (at.left, at.top, at.shape[1] - at.right, at.shape[0] - at.bottom)
    corners = box(at.left - left, at.top - top, at.right + right, at.bottom + bottom)
    leaf = polygon(at.shape, turned(corners, any_of(random, -4, 4)))
    under = lit(desk(at, random), 1 - 0.5 * ndimage.gaussian_filter(leaf, at.size / 25))
    return camera(over(under, leaf, level), random)


def desk(at: Sheet, random: Generator) -> np.ndarray:
    """Of dark wood."""
    fibres = np.clip(1 + 0.15 * grain(at.shape, random, (1, at.size / 5)), 0.5, 1.5)
    return np.array(WOODS[random.integers(len(WOODS))], np.float32) * fibres[..., None]
