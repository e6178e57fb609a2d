"""Lines that are no writing: ruled and squared paper."""

import numpy as np
from scipy import ndimage

from recognition.ink.geometry import TOUCHING

STEEPEST = 0.14  # a page is held as level as 8 degrees


def without_ruling(mask: np.ndarray) -> np.ndarray:
    """Without thin straight lines from edge to edge, level or upright within 8 degrees, but for what crosses them."""
    pieces, _ = ndimage.label(mask, TOUCHING)
    extents = [
        (slices[axis].stop - slices[axis].start) / mask.shape[axis]
        for slices in ndimage.find_objects(pieces)
        for axis in (0, 1)
    ]
    if max(extents, default=0) < 0.85:
        return mask
    side = max(mask.shape)
    thin = max(side // 65, min(side // 50, 6))  # pixels; 0 for the smallest, where a line is like a stroke
    kept = mask.copy()
    for across in (kept, kept.T):  # views, level lines first: without them upright ones are thin at the crossings, too
        line = _lines(across)
        if not line.any():
            continue
        across &= ~ndimage.maximum_filter1d(line, 3, axis=0) | ndimage.binary_opening(across, np.ones((thin + 1, 1)))
        left, n = ndimage.label(across, TOUCHING)  # dashes, where a line is thicker or not quite straight
        near = np.asarray(ndimage.mean(ndimage.maximum_filter1d(line, thin | 1, axis=0), left, np.arange(1, n + 1)))
        across &= ~np.append(False, near == 1)[left]
    return kept if kept.any() else mask


def _lines(mask: np.ndarray) -> np.ndarray:
    """The pixels of straight lines that run through the mask from its left to its right edge."""
    height, width = mask.shape
    tolerant = ndimage.maximum_filter1d(mask, 3, axis=0)
    columns = np.arange(width)
    sample = columns[:: max(1, width // 250)]
    line = np.zeros_like(mask)
    for slope in np.linspace(-STEEPEST, STEEPEST, 57):
        shift = np.round(slope * (columns - width / 2)).astype(int)
        rows = np.arange(height)[:, None] + shift[sample]
        inside = (rows >= 0) & (rows < height)
        hit = tolerant[np.clip(rows, 0, height - 1), sample] & inside
        enough = (hit.sum(axis=1) > 0.85 * inside.sum(axis=1)) & (inside.sum(axis=1) > 0.5 * len(sample))
        rows = np.flatnonzero(enough)[:, None] + shift
        inside = (rows >= 0) & (rows < height)
        line[rows[inside], np.broadcast_to(columns, rows.shape)[inside]] = True
    return line
