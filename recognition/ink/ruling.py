"""Lines that are no writing: ruled and squared paper."""

import numpy as np
from scipy import ndimage

from recognition.ink.geometry import TOUCHING

STEEPEST = 0.14  # a page is held as level as 8 degrees
THROUGH = 0.85  # of the picture, as far as the line lies in it, that shows ink: it runs from edge to edge
MARGINS = 0.7  # likewise, but for single gaps in one run: such lines are ruled where there are several
SEVERAL = 4
CORNER = 0.25  # of the picture's width, in which a line is seen that others run beside
DASH = 0.9  # of a piece of ink that is left near a line: it was the line's


def without_ruling(mask: np.ndarray) -> np.ndarray:
    """Without thin straight lines, level or upright within 8 degrees, but for what crosses them: those from edge to
    edge, and several that are parallel, whose ends leave a margin."""
    pieces, _ = ndimage.label(mask, TOUCHING)
    boxes = ndimage.find_objects(pieces)
    side = max(mask.shape)
    thin = max(side // 65, min(side // 50, 6))  # pixels; 0 for the smallest, where a line is like a stroke
    kept = mask.copy()
    # Views, level lines first: without them upright ones are thin at the crossings, too.
    for axis, across in ((1, kept), (0, kept.T)):
        longest = max((box[axis].stop - box[axis].start for box in boxes), default=0)
        if longest < MARGINS * mask.shape[axis]:
            continue
        line = _lines(across)
        if not line.any():
            continue
        across &= ~ndimage.maximum_filter1d(line, 3, axis=0) | ndimage.binary_opening(across, np.ones((thin + 1, 1)))
        left, n = ndimage.label(across, TOUCHING)  # dashes, where a line is thicker or not quite straight
        near = np.asarray(ndimage.mean(ndimage.maximum_filter1d(line, thin | 1, axis=0), left, np.arange(1, n + 1)))
        across &= ~np.append(False, near > DASH)[left]
    return kept if kept.any() else mask


def _lines(mask: np.ndarray) -> np.ndarray:
    """The pixels of straight lines that run through the mask, nearly level."""
    height, width = mask.shape
    tolerant = ndimage.maximum_filter1d(mask, 3, axis=0)
    columns = np.arange(width)
    sample = columns[:: max(1, width // 250)]
    line = np.zeros_like(mask)
    beyond = int(STEEPEST * width / 2)  # above and below: lines of which only a corner is seen
    middles = np.arange(-beyond, height + beyond)  # the row in the picture's middle
    for slope in np.linspace(-STEEPEST, STEEPEST, 57):
        shift = np.round(slope * (columns - width / 2)).astype(int)
        rows = middles[:, None] + shift[sample]
        inside = (rows >= 0) & (rows < height)
        hit = tolerant[np.clip(rows, 0, height - 1), sample] & inside
        n = hit.sum(axis=1)
        of = inside.sum(axis=1)
        half = of > 0.5 * len(sample)
        through = (n > THROUGH * of) & half
        ruled = np.flatnonzero((n > MARGINS * of) & half)
        if _groups(ruled, mask) >= SEVERAL:
            ruled = ruled[[_longest(hit[row]) > MARGINS * of[row] for row in ruled]]
            through[ruled] |= _groups(ruled, mask) >= SEVERAL
        if through.any():  # and what is parallel, with gaps, or of which only a corner is seen
            through |= (n > MARGINS * of) & (of > CORNER * len(sample))
        rows = middles[through][:, None] + shift
        inside = (rows >= 0) & (rows < height)
        line[rows[inside], np.broadcast_to(columns, rows.shape)[inside]] = True
    return line


def _groups(rows: np.ndarray, mask: np.ndarray) -> int:
    """How many lines these rows, from top to bottom, are."""
    return int((np.diff(rows, prepend=-np.inf) > 1 + max(mask.shape) // 100).sum())


def _longest(hit: np.ndarray) -> int:
    """The longest run of True, in which there may be single gaps."""
    missed = np.flatnonzero(~np.concatenate([[False], hit | np.roll(hit, 1), [False]]))
    return int(np.diff(missed).max()) - 1
