"""Grey values to the strength of ink: where the sheet or the canvas is, what its light is, which side the ink is on.

The same bytes on every processor: numpy picks its kernels for powers, exponentials and matrix products by the
instructions that it finds, and they round differently. So here are sums, products, quotients and comparisons only.
"""

import functools
import itertools
import math
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from recognition.ink.geometry import TOUCHING, distance, hull_area, on_edge, resize

SMALL = 256  # pixels, the side on which sheets are looked for
LEVELS = 8  # at which grey value a sheet's edge may lie
INKED = 0.25  # of what is around a stroke, as far as the mean goes: no more is ink
HOLLOW = 0.015  # of the strokes: what may lose more than a third of its strength
WINDOWS = 0.4, 0.2, 0.1, 0.05, 0.03  # of the picture's side: no stroke is wider than the first
ENTERS = 0.3  # of a piece's extent: what lies on the edge with so much only enters the picture, as a shadow


class Strength(NamedTuple):
    ink: np.ndarray  # (H, W) float32, 0 on paper to 1: how much darker (or lighter) than the paper around
    noise: float  # its standard deviation on bare paper
    corner: tuple[int, int] = (0, 0)  # top and left of `ink` in the picture


def strength(grey: np.ndarray) -> Strength:
    """Strength of what is on the paper, of a picture (H, W) uint8.

    Whether ink is darker or lighter than the paper is decided from the picture. Light is taken to multiply: ink is what
    is darker by some share than the brightest paper around. Where one sheet, canvas or box in the picture holds nearly
    all ink, nothing is told of what lies around it.
    """
    sheet = find_sheet(grey)
    if sheet is None:
        return _strength(grey)
    rows, columns = (np.flatnonzero(sheet.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    found = _strength(_alone(grey[box], sheet[box], 3))
    return Strength(np.where(sheet[box], found.ink, 0), found.noise, (int(rows[0]), int(columns[0])))


def _alone(grey: np.ndarray, region: np.ndarray, edge: int) -> np.ndarray:
    """With the nearest grey value of the region outside it, and in its outermost `edge` pixels."""
    inside = ndimage.binary_erosion(region, TOUCHING, iterations=edge, border_value=1)
    if inside.all() or not inside.any():
        return grey
    rows, columns = np.asarray(ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True))
    return grey[rows, columns]


def _strength(grey: np.ndarray, region: np.ndarray | None = None, noisy: bool | None = None) -> Strength:
    """`region`: where noise is to be measured, if not all over; `noisy`: what is known of it, see `_is_noisy`."""
    grey = _without_specks(grey)
    level = np.float32(255) - grey if _is_light_on_dark(grey) else grey.astype(np.float32)
    side = max(level.shape)
    noisy = _is_noisy(level) if noisy is None else noisy
    smooth = _blurred(level, max(side / 1000, 0.7 if noisy else 0)) if side > 100 else level
    ink = _darker(smooth, _paper(level))
    apart = _differences(ink)
    usual = np.quantile(apart if region is None else apart[region], 0.25)  # most of a page may be near ink
    noise = 3.14 / math.sqrt(2) * float(usual)  # as of a normal distribution
    return Strength(np.clip(ink, 0, 1).astype(np.float32), noise)


def _is_noisy(level: np.ndarray) -> bool:
    """Whether most pixels differ from those near them: else a picture is smoothed less."""
    return bool(np.median(_differences(level)) >= 1)


def _differences(level: np.ndarray) -> np.ndarray:
    """Of pixels that differ by noise alone, but for the edges of strokes."""
    apart = 1 + max(level.shape) // 200
    return abs(level - np.roll(level, apart, axis=0))


def _paper(level: np.ndarray) -> np.ndarray:
    """The brightest around each pixel, in the narrowest window that leaves no hole in the strokes.

    Strokes keep their strength where the window is wider than they are; dark corners and shadows lose theirs. Strokes
    are told by the third power of how much darker they are than the mean around, and do not enter from the edge.
    """
    small = np.asarray(resize(level, min(SMALL, max(level.shape))))
    mean = _blurred(small, max(small.shape) / 10)
    deviation = np.maximum(mean - small, 0)
    weight = deviation * deviation * deviation
    sides = [int(window * max(small.shape)) | 1 for window in WINDOWS]
    papers = [ndimage.grey_closing(small, size=(side, side), mode="nearest") for side in sides]
    inks = [np.maximum(_darker(small, paper), 0) for paper in papers]
    weight = np.where(_enters(inks[0], weight), 0, weight)
    total = weight.sum(dtype=np.float64)
    strong = inks[0] * total > 0.6 * (weight * inks[0]).sum(dtype=np.float64)
    own = np.minimum(inks[0], deviation / ((1 - INKED) * np.maximum(mean, 1)))  # without the shade a stroke lies in
    lost = [weight[strong & (ink < 0.65 * own)].sum(dtype=np.float64) for ink in inks]
    best = max(n for n in range(len(WINDOWS)) if max(lost[: n + 1]) <= HOLLOW * total)
    paper = ndimage.grey_erosion(papers[best], size=3, mode="nearest")  # else the step at a shadow's edge is a line
    return np.asarray(Image.fromarray(paper).resize(level.shape[::-1], Image.Resampling.BILINEAR))


def _enters(ink: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Where ink only enters from the picture's edge; nowhere, if nearly all of the weight would lie there."""
    level = (weight * ink).sum(dtype=np.float64) / max(weight.sum(dtype=np.float64), 1)
    labels, n = ndimage.label(ink > level / 2)
    enters = np.append(False, on_edge(labels, n) > ENTERS)[labels]
    return enters & (weight[enters].sum(dtype=np.float64) < 0.9 * weight.sum(dtype=np.float64))


def _darker(level: np.ndarray, paper: np.ndarray) -> np.ndarray:
    """By which share of the paper; a quarter of the picture is bare."""
    ink = 1 - np.maximum(level, 1) / np.maximum(paper, 1)
    return ink - np.quantile(ink, 0.25)  # the brightest paper around is brighter than most


def _without_specks(grey: np.ndarray) -> np.ndarray:
    """Without salt and pepper: single pixels, each far from its neighbours. A line as thin as they are stays."""
    if min(grey.shape) < 60:
        return grey
    median = _median(grey)
    apart = abs(grey.astype(np.int16) - median) > 60
    above, here, below = _thirds(np.pad(apart.astype(np.uint8), 1))
    left, middle, right = _thirds((above + here + below).T)
    if (apart & ((left + middle + right).T == 1)).mean() < 0.005:
        return grey
    return _median(median)


def _median(grey: np.ndarray) -> np.ndarray:
    """Of each pixel and its eight neighbours, where the edge's pixels go on beyond it.

    Of three sorted columns it is the middle one of the largest low, the middle middle and the least high value: on
    whole arrays eight times as fast as scipy's.
    """
    low, middle, high = _sorted(*_thirds(np.pad(grey, 1, mode="edge")))
    largest = functools.reduce(np.maximum, _thirds(low.T))
    least = functools.reduce(np.minimum, _thirds(high.T))
    return _sorted(largest, _sorted(*_thirds(middle.T))[1], least)[1].T


def _sorted(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel by pixel."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    b, c = np.minimum(b, c), np.maximum(b, c)
    return np.minimum(a, b), np.maximum(a, b), c


def _thirds(padded: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows above each, each, and below."""
    return padded[:-2], padded[1:-1], padded[2:]


def _is_light_on_dark(grey: np.ndarray) -> bool:
    """Ink is what deviates from the grey around: the sign of the deviation's third moment, about its median, which is
    the paper's: uneven light deviates, too, but less far."""
    small = np.asarray(resize(grey, min(SMALL, max(grey.shape))), dtype=np.float64)
    deviation = small - _blurred(small, max(small.shape) / 10)  # wide enough for bold strokes
    deviation -= np.median(deviation)
    return bool((deviation * deviation * deviation).sum() > 0)


def _blurred(level: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian, `deviation` in pixels. Its exponentials are decimal: Python's and numpy's own vary in the last bit."""
    for axis in (0, 1):
        level = ndimage.correlate1d(level, _bell(deviation), axis, mode="nearest")
    return level


@functools.cache
def _bell(deviation: float) -> list[float]:
    """Weights of a Gaussian filter."""
    reach = int(4 * deviation + 0.5)
    steps = [k / deviation for k in range(-reach, reach + 1)]
    weights = [float(Decimal(-step * step / 2).exp()) for step in steps]
    total = math.fsum(weights)  # exact: Python's own sum varies by its version
    return [weight / total for weight in weights]


# ---- the sheet


def find_sheet(grey: np.ndarray) -> np.ndarray | None:
    """The part of a picture that is written on, (H, W) bool: paper on a desk, a canvas in a window, a box drawn around.

    None: all of it. A sheet has an outline as of a rectangle, perhaps cut by the picture's edge, and holds nearly all
    of the picture's ink.
    """
    small = np.asarray(resize(grey, min(SMALL, max(grey.shape))))
    found = np.ones(small.shape, dtype=bool)
    candidates, noisy = _sheets(small), _is_noisy(small.astype(np.float32))
    best = None
    while True:
        inner = [c for c in candidates if (c & ~found).sum() < 0.02 * c.sum() and c.sum() < 0.97 * found.sum()]
        held = next((c for c in inner if _holds_the_ink(small, noisy, c, found)), None)
        if held is None:
            break
        best = found = held
    if best is None:
        return None
    best = ndimage.binary_erosion(best, TOUCHING, iterations=2, border_value=1)
    rows = np.minimum((np.arange(grey.shape[0]) + 0.5) * small.shape[0] / grey.shape[0], small.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(grey.shape[1]) + 0.5) * small.shape[1] / grey.shape[1], small.shape[1] - 1).astype(
        int
    )
    return best[rows[:, None], columns]


def _sheets(small: np.ndarray) -> list[np.ndarray]:
    """Regions lighter or darker than some level whose outline may be a sheet's, largest first."""
    sharp = _contrast(small, 7)
    step = max(8, 4 * np.median(sharp))
    steep = sharp > 0.6 * _contrast(small, 21)  # as a shadow's edge is not
    edge = np.ones(small.shape, dtype=bool)
    edge[4:-4, 4:-4] = False
    lightest, darkest = (of(small, 5, mode="nearest") for of in (ndimage.minimum_filter, ndimage.maximum_filter))
    found: list[np.ndarray] = []
    seen: list[tuple[tuple[slice, slice], int]] = []
    for level in _levels(small):
        for core in (lightest > level, darkest < level):
            labels, _ = ndimage.label(core)
            for index, box in enumerate(ndimage.find_objects(labels), 1):
                height, width = (s.stop - s.start for s in box)
                if height * width < 0.03 * small.size or min(height, width) < 20:
                    continue
                rows, columns = (slice(max(s.start - 3, 0), s.stop + 3) for s in box)
                whole = np.zeros_like(core)
                whole[box] = ndimage.binary_fill_holes(labels[box] == index)
                area = int(whole.sum())
                if area < 0.5 * height * width or (box, area) in seen:
                    continue
                seen.append((box, area))
                whole[rows, columns] = ndimage.binary_dilation(whole[rows, columns], TOUCHING, iterations=2)
                if whole.sum() > 0.97 * small.size or not _is_a_sheet(whole):
                    continue
                outline = whole & ~ndimage.binary_erosion(whole, TOUCHING) & ~edge
                if not outline.any() or np.quantile(sharp[outline], 0.1) < step or steep[outline].mean() < 0.5:
                    continue
                if all((whole ^ other).sum() > 0.03 * whole.sum() for other in found):
                    found.append(whole)
    return sorted(found, key=np.sum, reverse=True)


def _levels(small: np.ndarray) -> list[float]:
    """Grey values between those that are frequent, and some evenly spaced for outlines, which are not."""
    frequent = np.unique(np.quantile(small, np.arange(0, 21) / 20, method="nearest").astype(int))
    between = [(a + b) / 2 for a, b in itertools.pairwise(frequent) if b - a > 5]
    low, high = int(small.min()), int(small.max())
    return [*between, *(low + (high - low) * k / LEVELS for k in range(1, LEVELS))]


def _is_a_sheet(region: np.ndarray) -> bool:
    area = int(region.sum())
    hull, rectangle = hull_area(region)
    edges = region[0].any() + region[-1].any() + region[:, 0].any() + region[:, -1].any()
    return area > 0.92 * hull and (area > 0.88 * rectangle or edges >= 2)


def _holds_the_ink(small: np.ndarray, noisy: bool, sheet: np.ndarray, around: np.ndarray) -> bool:
    """Whether of what is written nearly all is in the sheet, and nothing crosses its edge."""
    side = min(sheet.any(axis=0).sum(), sheet.any(axis=1).sum())
    beyond = around & ~ndimage.binary_dilation(sheet, TOUCHING, iterations=5)
    inside, outside = (_largest(small, noisy, region, side) for region in (sheet, beyond))
    return inside > max(0.01, 2 * outside)


def _contrast(small: np.ndarray, window: int) -> np.ndarray:
    """Between the lightest and the darkest pixel around each."""
    return ndimage.maximum_filter(small, window).astype(int) - ndimage.minimum_filter(small, window)


def _largest(small: np.ndarray, noisy: bool, region: np.ndarray, longest: float) -> float:
    """Extent, in pixels times contrast and the third power of strength, of the largest piece of ink in the region: no
    blot, button or hole of a letter, no bar longer than `longest`, not at the region's edge."""
    if region.sum() < 50:
        return 0
    ink, noise, _ = _strength(_alone(small, region, 3), region, noisy)
    pieces, n = ndimage.label((ink > max(6 * noise, 0.08)) & region, TOUCHING)
    if not n:
        return 0
    index = np.arange(1, n + 1)
    inner = ndimage.binary_erosion(region, TOUCHING, iterations=6, border_value=1)
    within = np.asarray(ndimage.minimum(inner, pieces, index)) > 0
    level = np.asarray(ndimage.mean(ink, pieces, index))
    contrast = np.asarray(ndimage.mean(_contrast(small, 15), pieces, index)) / 255
    boxes = ndimage.find_objects(pieces)
    sizes = np.array([[s.stop - s.start for s in box] for box in boxes])
    bar = (sizes.max(axis=1) > longest) & (sizes.min(axis=1) < 0.25 * sizes.max(axis=1))
    found = sizes.max(axis=1) * contrast * level * level * level * (within & ~bar)
    radius = np.asarray(ndimage.maximum(distance(pieces > 0), pieces, index))
    for n in np.flatnonzero(found)[np.argsort(-found[found > 0])]:
        own = pieces[boxes[n]] == n + 1
        if own.sum() > 12 * radius[n] * radius[n] or own.sum() < 0.85 * hull_area(own)[0]:
            return float(found[n])
    return 0
