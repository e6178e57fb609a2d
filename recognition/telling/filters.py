"""What a first-layer filter looks for: an edge, a line or a blob, and in which orientation. Numpy only.

Conventions
- A filter is a (k, k) array of weights, row 0 at the top, used as torch's conv2d does: by cross-correlation, unflipped.
  (Convolution would turn each filter by 180 degrees, which changes neither its kind nor its orientation.)
- An orientation is that of the contour itself, of the edge or line and not of its gradient: degrees in [0, 180),
  anticlockwise from the horizontal as one sees it on the picture. "-" is 0, "/" is 45, "|" is 90, "\\" is 135.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Standard deviations of the templates' Gaussian, in kernel sizes. A wider one would be cut by the filter's square, and
# orientations pulled towards the axes: at 5x5, step edges come out within 1.6 degrees up to 1/4, within 3.3 with 1/3.
SCALES = (1 / 8, 1 / 6, 1 / 5, 1 / 4)


class Description(NamedTuple):
    """A filter's kind ("edge", "line", "blob", or "none" where nothing matches), orientation and three matches.

    A match is the share of the filter's variance, 0 to 1, that the best template of that kind accounts for. The
    orientation is that of the better of edge and line, also where the filter is rather a blob.
    """

    kind: str
    orientation: float  # degrees, see above
    edge: float
    line: float
    blob: float

    @property
    def match(self) -> float:
        """The best of the three."""
        return max(self.edge, self.line, self.blob)


NOTHING = Description("none", 0.0, 0.0, 0.0, 0.0)


def describe(filters: np.ndarray) -> list[Description]:
    """Describe each of `filters`, (K, k, k).

    The match is the squared correlation between weights and template, both free of their mean: the mean only answers to
    uniform grey, which the layer's bias offsets, and would make any all-positive filter a blob. The templates are
    Gaussian derivatives, steered in closed form (W. T. Freeman, E. H. Adelson, "The design and use of steerable
    filters", IEEE Trans. PAMI 13(9), 1991): the first derivative for an edge, the second for a line; for a blob the
    Gaussian and its Laplacian. The best over `SCALES` counts.

    A small filter matches something whatever its weights: `by_chance` says how often. A 2x2 filter has room for an edge
    only. Values are rounded, so that no last bit of arithmetic shows.
    """
    return [_describe(np.asarray(weights, dtype=np.float64)) for weights in filters]


def by_chance(descriptions: Sequence[Description], k: int) -> list[float]:
    """For each description the share, 0 to 1, of 1,000 k x k filters of random weights that match as well or better.

    Of 5x5 ones half reach 0.16 and one in twenty 0.33.
    """
    noise = np.random.default_rng(0).standard_normal((1000, k, k))
    matches = np.array([found.match for found in describe(noise)])
    return [float(np.mean(matches >= found.match)) for found in descriptions]


def respond(image: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Each filter's response to `image` (H, W): (K, H, W), the cross-correlation that torch's conv2d computes with
    padding="same", that is with zeros around, one more at the right and bottom where k is even.
    """
    k = filters.shape[-1]
    padded = np.pad(np.asarray(image, dtype=np.float64), ((k - 1) // 2, k // 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k))  # (H, W, k, k)
    return np.einsum("hwij,fij->fhw", windows, filters)


def _describe(weights: np.ndarray) -> Description:
    contrast = _without_mean(weights)
    norm = np.linalg.norm(contrast)
    if norm <= 1e-6 * np.abs(weights).max():  # constant, to the precision of float32
        return NOTHING
    contrast = contrast / norm

    sigmas = [scale * len(weights) for scale in SCALES]
    edge, across_edge = max(_match_edge(contrast, sigma) for sigma in sigmas)
    line, across_line = max(_match_line(contrast, sigma) for sigma in sigmas)
    blob = max(_match_blob(contrast, sigma) for sigma in sigmas)

    edge, line, blob = (min(1.0, round(float(match), 4)) for match in (edge, line, blob))
    across = across_edge if edge >= line else across_line
    along = float(np.degrees(across)) + 90  # a contour runs at right angles to its derivative
    orientation = round(along % 180, 1) % 180
    match, kind = max((edge, "edge"), (line, "line"), (blob, "blob"))
    return Description(kind, orientation, edge, line, blob) if match > 0 else NOTHING


def _match_edge(contrast: np.ndarray, sigma: float) -> tuple[float, float]:
    """The best match of a steered first derivative, and the angle (radians) in which it derives."""
    x, y, gaussian = _grid(len(contrast), sigma)
    dx, dy = x * gaussian, y * gaussian  # orthogonal and of equal norm on a square grid
    along_x, along_y = np.sum(contrast * dx), np.sum(contrast * dy)
    return (along_x**2 + along_y**2) / np.sum(dx**2), np.arctan2(along_y, along_x)


def _match_line(contrast: np.ndarray, sigma: float) -> tuple[float, float]:
    """The best match of a steered second derivative, and the angle (radians) in which it derives.

    The derivative at angle t is ring + cos(2t) plus + sin(2t) cross, three orthogonal parts. In the plane the last two
    have the same norm; on a coarse grid they do not until they are given it, and then t has a closed form.
    """
    x, y, gaussian = _grid(len(contrast), sigma)
    ring = _without_mean((x**2 + y**2 - 2 * sigma**2) * gaussian)
    plus, cross = (x**2 - y**2) * gaussian, 2 * x * y * gaussian
    cross = cross * np.sqrt(np.sum(plus**2) / np.sum(cross**2))
    energy = np.sum(ring**2) + np.sum(plus**2)
    if energy < 1e-12:  # 2x2: all pixels lie on the diagonals, at one distance from the centre
        return 0.0, 0.0
    a, b, c = (np.sum(contrast * part) for part in (ring, plus, cross))
    sign = -1.0 if a < 0 else 1.0  # a bright and a dark line are the same line
    return (abs(a) + np.hypot(b, c)) ** 2 / energy, np.arctan2(sign * c, sign * b) / 2


def _match_blob(contrast: np.ndarray, sigma: float) -> float:
    x, y, gaussian = _grid(len(contrast), sigma)
    blobs = [_without_mean(blob) for blob in (gaussian, (x**2 + y**2 - 2 * sigma**2) * gaussian)]
    return max(np.sum(contrast * blob) ** 2 / max(np.sum(blob**2), 1e-12) for blob in blobs)


def _grid(k: int, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel centres x (to the right) and y (upwards), from the middle of a k x k filter, and the Gaussian there."""
    x = np.arange(k) - (k - 1) / 2
    y = -x[:, None]
    return x, y, np.exp(-(x**2 + y**2) / (2 * sigma**2))


def _without_mean(values: np.ndarray) -> np.ndarray:
    return values - values.mean()
