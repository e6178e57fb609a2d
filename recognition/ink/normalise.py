"""The ink of a character to 28x28 as MNIST was made.

MNIST's recipe (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"): the character is
scaled into 20x20 keeping its proportions, anti-aliased, and put into 28x28 with its centre of mass in the middle; ink
is light, paper black.
"""

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_holes, skeletonize

from recognition.ink.geometry import distance, resize

IMAGE_SIZE = 28  # pixels, MNIST's picture
BOX_SIZE = 20  # pixels, the box that MNIST's characters fill
MASS_CENTRE = 14.5  # pixels from the edge: MNIST's centres of mass lie in the pixel right of and below the middle
FINE = 8  # fine pixels per pixel of the result, on which strokes are measured and thickened
STROKE_WIDTH = 2.4  # pixels, the median of MNIST (5 % are below 1.6, 5 % above 4.0, measured as `_stroke_width` does)


def normalise(ink: np.ndarray) -> np.ndarray:
    """Ink (H, W), from 0 on paper to 1 and not all 0, to (28, 28) uint8 as MNIST was made.

    Strokes thinner than MNIST's typical ones are thickened to their width; thick ones stay.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = BOX_SIZE * FINE
    fine = _fit(crop, box)
    missing = STROKE_WIDTH * FINE - _stroke_width(fine)
    if missing > 1:
        radius = missing / 2 * (1 - missing / box)  # the thickened character is scaled down to fit again
        fine = _fit(_thicken(fine, radius), box)
    return _centre(fine)


def _fit(ink: np.ndarray, side: int) -> np.ndarray:
    return np.clip(np.asarray(resize(ink.astype(np.float32), side)), 0, 1)


def _stroke_width(ink: np.ndarray) -> float:
    """Twice the median distance from the strokes' middle lines to their edges, in pixels."""
    mask = np.pad(_strokes(ink), 1)
    return 2 * float(np.median(distance(mask)[skeletonize(mask)]))


def _strokes(ink: np.ndarray) -> np.ndarray:
    """Where there is ink, without the paper's grain in it: holes that the result could not show."""
    return remove_small_holes(ink > ink.max() / 2, max_size=FINE * FINE - 1)


def _thicken(ink: np.ndarray, radius: float) -> np.ndarray:
    """Strokes wider by `radius` pixels on either side, with anti-aliased edges."""
    margin = int(radius) + 2
    outside = distance(~np.pad(_strokes(ink), margin))
    return np.clip(radius + 1 - outside, 0, 1).astype(np.float32)


def _centre(fine: np.ndarray) -> np.ndarray:
    """Averaged to 28x28 pixels, the centre of mass in MNIST's place, as nearly as whole pixels and the frame allow."""
    side = IMAGE_SIZE * FINE
    canvas = np.zeros((side, side), dtype=np.float64)
    corner = []
    middle = np.asarray(ndimage.center_of_mass(fine)).tolist()
    for centre, length in zip(middle, fine.shape, strict=True):
        start = round((MASS_CENTRE * FINE - centre - 0.5) / FINE) * FINE
        corner.append(min(max(start, 0), side - length))
    top, left = corner
    canvas[top : top + fine.shape[0], left : left + fine.shape[1]] = fine
    mean = canvas.reshape(IMAGE_SIZE, FINE, IMAGE_SIZE, FINE).mean(axis=(1, 3))
    return np.round(255 * mean).astype(np.uint8)
