"""Grey values to the ink of the one character, whatever the pen, the paper and the light.

The same bytes on every processor: numpy picks its kernels for powers, exponentials and matrix products by the
instructions that it finds, and they round differently. So here are sums, products, quotients and comparisons only.
"""

import math
from decimal import Decimal

import numpy as np
from scipy import ndimage

from recognition.ink.geometry import distance, resize

SAME_INK = 0.4  # of the strongest ink's level: what is weaker is no ink, but ruled lines, shadows or the page's back
GAP = 0.02  # of the picture's side: pieces nearer to each other belong together, as of a dry pen
TOUCHING = np.ones((3, 3))  # a pixel's neighbours, diagonal ones too


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Strength of the character's ink, (H, W) float32 from 0 (paper) to 1, of a picture (H, W) uint8. All 0: no ink.

    Whether ink is darker or lighter than the paper is decided from the picture. Light is taken to multiply: ink is what
    is darker by some share than the brightest paper around. Of what is dark, the character is the piece with most ink
    away from the picture's edges, and the pieces near it.
    """
    paper_is_dark = _is_light_on_dark(grey)
    level = np.float32(255) - grey if paper_is_dark else grey.astype(np.float32)
    return _character(*_strength(level))


def _is_light_on_dark(grey: np.ndarray) -> bool:
    """Ink is what deviates from the paper around: the sign of the deviation's third moment."""
    small = np.asarray(resize(grey, 32), dtype=np.int64)  # on 64 pixels it says the same, ten times slower
    paper = ndimage.median_filter(small, size=max(small.shape) // 2 + 1, mode="nearest")
    deviation = small - paper
    return bool((deviation * deviation * deviation).sum() > 0)


def _strength(level: np.ndarray) -> tuple[np.ndarray, float]:
    """How much darker than the paper around, as a share of it; and the standard deviation of that on bare paper."""
    side = max(level.shape)
    smooth = _blurred(level, side / 1000) if side > 100 else level
    window = int(0.4 * side) | 1  # wider than any stroke
    paper = ndimage.grey_closing(smooth, size=(window, window), mode="nearest")
    strength = 1 - smooth / np.maximum(paper, 1)
    strength -= np.quantile(strength, 0.25)  # the brightest paper around is brighter than most; ink may fill half
    apart = 1 + side // 200  # of pixels that differ by noise alone, but for the edges of strokes
    difference = np.median(abs(strength - np.roll(strength, apart, axis=0)))
    noise = 1.48 / math.sqrt(2) * float(difference)  # as of a normal distribution
    return np.clip(strength, 0, 1).astype(np.float32), noise


def _blurred(level: np.ndarray, deviation: float) -> np.ndarray:
    """Gaussian, `deviation` in pixels. Its exponentials are decimal: Python's and numpy's own vary in the last bit."""
    reach = int(4 * deviation + 0.5)
    steps = [k / deviation for k in range(-reach, reach + 1)]
    weights = [float(Decimal(-step * step / 2).exp()) for step in steps]
    total = math.fsum(weights)  # exact: Python's own sum varies by its version
    for axis in (0, 1):
        level = ndimage.correlate1d(level, [weight / total for weight in weights], axis)
    return level


def _character(strength: np.ndarray, noise: float) -> np.ndarray:
    """The strength of the character's ink alone."""
    mask = _without_ruling(strength > max(6 * noise, 0.05))
    rough, n = ndimage.label(mask, TOUCHING)
    if n == 0:
        return np.zeros_like(strength)
    # At first each piece is cut at its own level of ink, so that a black table edge does not hide a pencil, and then
    # all at the character's level.
    levels = np.append(np.inf, _level(strength, rough, n))
    pieces, n = ndimage.label(strength > SAME_INK * levels[rough], TOUCHING)
    level = _level(strength, pieces, n)[_main(pieces, n, strength)]
    pieces, n = _join(mask & (strength > SAME_INK * level))
    chosen = _choose(pieces, n, strength)
    fringe = ndimage.binary_dilation(chosen, TOUCHING) & (chosen | (pieces == 0))
    return np.where(fringe, np.clip((strength / level - 0.2) / 0.6, 0, 1), 0).astype(np.float32)


def _without_ruling(mask: np.ndarray) -> np.ndarray:
    """Without thin straight lines from edge to edge, level or upright within 3 degrees, but for what crosses them."""
    pieces, _ = ndimage.label(mask, TOUCHING)
    extents = [
        (slices[axis].stop - slices[axis].start) / mask.shape[axis]
        for slices in ndimage.find_objects(pieces)
        for axis in (0, 1)
    ]
    if max(extents, default=0) < 0.85:
        return mask
    thin = max(mask.shape) // 65  # pixels; 0 for the smallest pictures, where a line cannot be told from a stroke
    kept = mask.copy()
    for across in (kept, kept.T):  # views, level lines first: without them upright ones are thin at the crossings, too
        height, width = across.shape
        columns = np.arange(width)
        tolerant = ndimage.maximum_filter1d(across, 3, axis=0)
        line = np.zeros_like(across)
        for slope in np.linspace(-0.05, 0.05, 21):
            rows = np.arange(height)[:, None] + np.round(slope * (columns - width / 2)).astype(int)
            rows = np.clip(rows, 0, height - 1)
            rows = rows[tolerant[rows, columns].mean(axis=1) > 0.85]
            line[rows, columns] = True
        line = ndimage.maximum_filter1d(line, 3, axis=0)
        across &= ~line | ndimage.binary_opening(across, np.ones((thin + 1, 1)))
    return kept if kept.any() else mask


def _level(strength: np.ndarray, pieces: np.ndarray, n: int) -> np.ndarray:
    """Each piece's level of strong ink: fourth over third powers, so that a wide weak part counts for little."""
    index = np.arange(1, n + 1)
    third = strength * strength * strength
    return ndimage.sum(third * strength, pieces, index) / ndimage.sum(third, pieces, index)


def _join(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Pieces of ink, labelled from 1 to n; those only a small gap apart are one."""
    pieces, n = ndimage.label(distance(~mask) <= GAP * max(mask.shape) / 2, TOUCHING)
    return np.where(mask, pieces, 0), n


def _main(pieces: np.ndarray, n: int, strength: np.ndarray) -> int:
    """Index from 0 of the piece with most ink, strong rather than wide, away from the picture's edges."""
    height, width = pieces.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    outwards = np.maximum(y * y, x * x)
    central = 1 - outwards * outwards
    ink = strength * strength * strength
    index = np.arange(1, n + 1)
    free = 1 - _contact(pieces, n)
    score = ndimage.sum(ink * central, pieces, index) * free * free
    return int(np.argmax(score if score.max() > 0 else ndimage.sum(ink, pieces, index)))


def _contact(pieces: np.ndarray, n: int) -> np.ndarray:
    """How much of each piece's length lies on the picture's edge, 0 to 1."""
    size = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in ndimage.find_objects(pieces)]
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    return np.minimum(1, np.bincount(edge, minlength=n + 1)[1:] / size)


def _choose(pieces: np.ndarray, n: int, strength: np.ndarray) -> np.ndarray:
    """The mask of the character: the main piece and those near, except specks and what enters from outside."""
    index = np.arange(1, n + 1)
    main = _main(pieces, n, strength)
    mass = ndimage.sum(strength, pieces, index)
    contact = _contact(pieces, n)
    candidates = (mass > 0.02 * mass[main]) & ((contact == 0) | (contact[main] > 0))
    reach = np.minimum(0.75, 0.25 + 1.5 * mass / mass[main])  # a stroke may stand farther off than a crumb
    chosen = np.zeros(n + 1, dtype=bool)
    chosen[main + 1] = True
    ink = pieces > 0
    while True:
        mask = chosen[pieces]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        extent = max(np.ptp(rows), np.ptp(columns))
        nearest = np.full(n + 1, np.inf)
        np.minimum.at(nearest, pieces[ink], distance(~mask)[ink])
        more = candidates & (nearest[1:] <= reach * extent) & ~chosen[1:]
        if not more.any():
            return mask
        chosen[1:] |= more
