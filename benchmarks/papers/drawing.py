"""MNIST's digits as strokes of a pen, and what brings them onto paper and into a picture.

Levels are float32 from 0, black, to 255, white, (H, W) or (H, W, 3); shares, such as of ink, (H, W) from 0 to 1.
Lengths are pixels, angles degrees.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from recognition.ink.geometry import distance

DATA = Path(__file__).parents[2] / "data" / "mnist"
SIZES = (80.0, 250.0)  # of a digit, unless its kind says otherwise

Drawer = Callable[[np.ndarray, Generator], np.ndarray]
Tone = float | tuple[float, float, float]  # grey, or red, green, blue


class Kind(NamedTuple):
    """A kind of picture: `draw` makes one, uint8, of a digit's ink."""

    draw: Drawer
    sizes: tuple[float, float] | None  # the digit's longer side, least and most; None: MNIST's own picture as it is
    fine: bool  # half of them in a pen finer than MNIST's

    def picture(self, digit: np.ndarray, random: Generator) -> np.ndarray:
        """Of a digit (28, 28) uint8: grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) uint8."""
        if self.sizes is None:
            return self.draw(digit / np.float32(255), random)
        least, most = self.sizes
        size = least * (most / least) ** random.random()
        ink = strokes(digit, size)
        if self.fine and random.random() < 0.5:
            ink = thinned(ink, size * any_of(random, 0.04, 0.08))
        return self.draw(ink, random)


KINDS: dict[str, Kind] = {}


def kind(
    name: str, sizes: tuple[float, float] | None = SIZES, fine: bool = True, **settings: object
) -> Callable[[Callable], Callable]:
    """Enter a function into KINDS, once for every name that it is given; `settings` are handed to it by name."""

    def enter(draw: Callable) -> Callable:
        KINDS[name] = Kind(functools.partial(draw, **settings), sizes, fine)
        return draw

    return enter


# --- ink


def strokes(digit: np.ndarray, size: float) -> np.ndarray:
    """A digit (28, 28) uint8 as a pen draws it, smooth, its longer side `size` long, cropped: share of ink."""
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    crop = np.pad(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / np.float32(digit.max()), 1)
    scale = size / (max(crop.shape) - 2)
    height, width = (max(2, round(length * scale)) for length in crop.shape)
    large = np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.LANCZOS))
    return soft(ndimage.gaussian_filter(large, 0.75 * scale) - 0.4, max(1.6, scale / 2))


def another(random: Generator, size: float) -> np.ndarray:
    """A digit of another hand, of MNIST's training pictures."""
    return strokes(_others()[random.integers(len(_others()))], size)


@functools.cache
def _others() -> np.ndarray:
    from recognition.training import datasets

    return datasets.load("mnist", DATA, train=True).pictures[:200].numpy()


def depth(ink: np.ndarray) -> np.ndarray:
    """Of each pixel the distance to the ink's edge, negative outside."""
    inside = ink > 0.5
    return (distance(inside) - distance(~inside)).astype(np.float32)


def stroke_width(ink: np.ndarray) -> float:
    """Four times the mean depth, as of a long even stroke."""
    inside = depth(ink)
    return 4 * float(inside[inside > 0].mean())


def thinned(ink: np.ndarray, width: float) -> np.ndarray:
    """The middle lines of strokes alone, about `width` wide: where the depth has a ridge."""
    deviation = width / 2
    ridge = -ndimage.gaussian_laplace(np.maximum(depth(np.pad(ink, 4)), 0), deviation) * deviation
    return np.clip(1.6 * ridge - 0.3, 0, 1)


def soft(difference: np.ndarray, steep: float = 1) -> np.ndarray:
    """Share of what lies where `difference` is above 0, with an edge 1 / `steep` wide."""
    return np.clip(difference * steep + 0.5, 0, 1)


# --- places


class Sheet(NamedTuple):
    """A digit's ink on a larger sheet, and the box that it fills there."""

    ink: np.ndarray
    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.ink.shape[0], self.ink.shape[1]

    @property
    def size(self) -> int:
        """The digit's longer side."""
        return max(self.bottom - self.top, self.right - self.left)


def sheet(
    ink: np.ndarray, random: Generator, fill: tuple[float, float] = (0.3, 0.7), stray: float = 0.3, least: int = 200
) -> Sheet:
    """The digit fills a share of the shorter side, and strays by a share of the room around it."""
    size = max(ink.shape)
    short = np.clip(size / any_of(random, *fill), max(least, size + 4), max(600, size + 4))
    shape = [round(short), round(short * any_of(random, 1, 1.33))]
    if random.random() < 0.5:
        shape.reverse()
    top, left = (round((a - b) * (0.5 + stray * any_of(random, -1, 1))) for a, b in zip(shape, ink.shape, strict=True))
    covered = np.zeros(shape, np.float32)
    put(covered, ink, top, left)
    return Sheet(covered, top, left, top + ink.shape[0], left + ink.shape[1])


def around(at: Sheet, random: Generator, least: float, most: float) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a box that keeps shares of the digit's size away from it."""
    left, top, right, bottom = (at.size * any_of(random, least, most) for _ in range(4))
    return at.left - left, at.top - top, at.right + right, at.bottom + bottom


def put(covered: np.ndarray, ink: np.ndarray, top: float, left: float) -> None:
    """Add ink to what is covered, as far as it lies within."""
    top, left = round(top), round(left)
    height, width = covered.shape
    part = ink[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    place = covered[max(0, top) :, max(0, left) :][: part.shape[0], : part.shape[1]]
    np.maximum(place, part, out=place)


def along(shape: Sequence[int], angle: float) -> np.ndarray:
    """How far each pixel lies from the picture's middle in a direction; 0 is to the right, 90 down."""
    y, x = (np.arange(length, dtype=np.float32) - (length - 1) / 2 for length in shape[:2])
    turn = np.deg2rad(angle)
    return (x * np.cos(turn) + y[:, None] * np.sin(turn)).astype(np.float32)


def lines(shape: Sequence[int], angle: float, apart: float, width: float, phase: float = 0) -> np.ndarray:
    """Share covered by parallel lines; 0 is level, 90 upright."""
    across = along(shape, angle + 90) + phase
    return soft(width / 2 - abs((across + apart / 2) % apart - apart / 2))


def polygon(shape: Sequence[int], corners: Sequence[tuple[float, float]]) -> np.ndarray:
    """Share covered by a polygon of (x, y)."""
    image = Image.new("L", (2 * shape[1], 2 * shape[0]))
    ImageDraw.Draw(image).polygon([(2 * x + 1, 2 * y + 1) for x, y in corners], fill=255)
    return np.asarray(image.reduce(2), np.float32) / 255


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def turned(corners: Sequence[tuple[float, float]], angle: float) -> list[tuple[float, float]]:
    """About their middle."""
    points = np.array(corners)
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    moved = (points - points.mean(axis=0)) @ np.array([[cos, sin], [-sin, cos]]) + points.mean(axis=0)
    return [(float(x), float(y)) for x, y in moved]


def by_hand(
    shape: Sequence[int], corners: Sequence[tuple[float, float]], width: float, random: Generator
) -> np.ndarray:
    """Share covered by a pen's line from corner to corner, which wavers."""
    points = np.array(corners, dtype=float)
    knots = np.append(0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))
    n = int(2 * knots[-1]) + 1
    waver = ndimage.gaussian_filter1d(random.normal(size=(2, n)), n / 6, axis=1)
    waver *= width / 5 / max(1e-9, waver.std())
    x, y = (np.interp(np.linspace(0, knots[-1], n), knots, points[:, axis]) + waver[axis] for axis in (0, 1))
    away = np.ones(shape[:2], bool)
    away[np.clip(y.astype(int), 0, shape[0] - 1), np.clip(x.astype(int), 0, shape[1] - 1)] = False
    return soft(width / 2 - distance(away).astype(np.float32))


# --- levels


def any_of(random: Generator, low: float, high: float) -> float:
    """Evenly from `low` to `high`."""
    return float(random.uniform(low, high))


def over(under: np.ndarray, share: np.ndarray, tone: Tone | np.ndarray) -> np.ndarray:
    """Where `share` covers it, of this tone; in colours where the tone or what is under is."""
    tone = np.asarray(tone, np.float32)
    if under.ndim == 2 and tone.ndim in (1, 3):
        under = np.repeat(under[..., None], 3, axis=2)
    if under.ndim == 3:
        share = share[..., None]
        tone = tone[..., None] if tone.ndim == 2 else tone
    return under + share * (tone - under)


def lit(level: np.ndarray, light: np.ndarray) -> np.ndarray:
    return level * (light if level.ndim == 2 else light[..., None])


def slope(shape: Sequence[int], random: Generator, low: float) -> np.ndarray:
    """Light that falls from 1 to `low` from one end of the picture to the other."""
    fall = along(shape, any_of(random, 0, 360))
    return 1 - (1 - low) * (fall - fall.min()) / np.ptp(fall)


def paper(shape: Sequence[int], random: Generator, tone: Tone | None = None) -> np.ndarray:
    """A bare sheet in light that is not quite even."""
    blank = np.full(shape[:2], 1, np.float32)
    level = blank * any_of(random, 195, 240) if tone is None else over(blank, blank, tone)
    return lit(level, slope(shape, random, any_of(random, 0.82, 1)))


def pen(level: np.ndarray, share: np.ndarray, random: Generator, tone: tuple[float, float] = (25, 90)) -> np.ndarray:
    """Drawn on with a pen between two tones."""
    return over(level, share, any_of(random, *tone))


def grain(shape: Sequence[int], random: Generator, coarse: float | tuple[float, float]) -> np.ndarray:
    """Noise of deviation 1, smooth over `coarse` pixels, or over so many down and to the right."""
    rough = ndimage.gaussian_filter(random.standard_normal(shape[:2], np.float32), coarse)
    return rough / max(1e-6, float(rough.std()))


def camera(level: np.ndarray, random: Generator, noise: float = 2, blur: float = 0.7) -> np.ndarray:
    """As a camera takes it: a little out of focus, with its noise."""
    seen = ndimage.gaussian_filter(level, (blur, blur, 0)[: level.ndim])
    return screen(seen + noise * random.standard_normal(seen.shape, np.float32))


def screen(level: np.ndarray) -> np.ndarray:
    return np.clip(np.round(level), 0, 255).astype(np.uint8)


def written(
    ink: np.ndarray, random: Generator, fill: tuple[float, float] = (0.3, 0.7), stray: float = 0.3, least: int = 200
) -> tuple[Sheet, np.ndarray]:
    """Where the digit is, and its levels in pen on a white sheet."""
    at = sheet(ink, random, fill, stray, least)
    return at, pen(paper(at.shape, random), at.ink, random)
