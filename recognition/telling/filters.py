"""What a first-layer filter looks for: an edge, a line or a blob, and in which orientation.

Conventions
- A filter is a (k, k) array of weights, row 0 at the top, used as torch's conv2d does: by cross-correlation, unflipped.
  (Convolution would turn each filter by 180 degrees, which changes neither its kind nor its orientation.)
- An orientation is that of the contour itself, of the edge or line and not of its gradient: degrees in [0, 180),
  anticlockwise from the horizontal as one sees it on the picture. "-" is 0, "/" is 45, "|" is 90, "\\" is 135.
- What comes out reaches tracked files, so arrays know only products, quotients, sums and square roots here: numpy takes
  its kernels for powers, exponentials and norms from the processor.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Standard deviations of the templates' Gaussian, in kernel sizes. A wider one would be cut by the filter's square, and
# orientations pulled towards the axes: at 5x5, step edges come out within 1.6 degrees up to 1/4, within 3.3 with 1/3.
SCALES = (1 / 8, 1 / 6, 1 / 5, 1 / 4)
CHANCE = 0.05  # a form counts where its adjusted share of chance is less
RANDOM_FILTERS = 10_000, 100  # at least, in all and for each that is judged: the best has to beat nearly all of them


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
    weights = np.asarray(filters, dtype=np.float64)
    contrast = weights - weights.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt(_sums(contrast * contrast))
    constant = norms <= 1e-6 * np.abs(weights).max(axis=(1, 2))  # to the precision of float32
    contrast = contrast / np.where(constant, 1.0, norms)[:, None, None]

    sigmas = [scale * weights.shape[-1] for scale in SCALES]
    edges = [_match_edges(contrast, sigma) for sigma in sigmas]
    lines = [_match_lines(contrast, sigma) for sigma in sigmas]
    blobs = np.stack([_match_blobs(contrast, sigma) for sigma in sigmas]).max(axis=0)
    return [
        NOTHING
        if constant[i]
        else _description(
            max((float(match[i]), _angle(y[i], x[i])) for match, x, y in edges),
            max((float(match[i]), _angle(y[i], x[i]) / 2) for match, x, y in lines),
            float(blobs[i]),
        )
        for i in range(len(weights))
    ]


def by_chance(descriptions: Sequence[Description], k: int) -> list[float]:
    """For each k x k filter's description, of a set that is judged together, how likely chance alone gives one such,
    0 to 1: of as many filters of random weights, how often is there one in which it matches as well or better?

    A filter's own share is (r + 1) / (N + 1), r being how many of N random filters match as well; S. Holm's correction
    ("A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979) adjusts the shares so that
    of random sets one in twenty holds any filter below `CHANCE`.
    """
    if not descriptions:
        return []
    in_all, each = RANDOM_FILTERS
    total = max(in_all, each * len(descriptions))
    matches = _random_matches(total, k)
    as_good = [total - int(np.searchsorted(matches, found.match)) for found in descriptions]
    return holm([(r + 1) / (total + 1) for r in as_good])


@lru_cache
def _random_matches(total: int, k: int) -> np.ndarray:
    """What `total` filters of random weights match, the least first."""
    noise = np.random.default_rng(0).standard_normal((total, k, k))
    return np.sort([found.match for found in describe(noise)])


def holm(shares: Sequence[float]) -> list[float]:
    """Shares of chance (p-values, 0 to 1) of tests that are judged together, adjusted by Holm's correction."""
    adjusted, least = [0.0] * len(shares), 0.0
    for place, i in enumerate(sorted(range(len(shares)), key=shares.__getitem__)):
        least = max(least, min(1.0, (len(shares) - place) * shares[i]))
        adjusted[i] = least
    return adjusted


def respond(image: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Each of `filters`' (K, k, k) response to `image` (H, W): (K, H, W) float64, the cross-correlation that torch's
    conv2d computes with padding="same", that is with zeros around, one more at the right and bottom where k is even.
    """
    k = filters.shape[-1]
    height, width = image.shape
    padded = np.pad(np.asarray(image, dtype=np.float64), ((k - 1) // 2, k // 2))
    weights = np.asarray(filters, dtype=np.float64)[:, :, :, None, None]
    responses = np.zeros((len(filters), height, width))
    for row in range(k):
        for column in range(k):
            responses += weights[:, row, column] * padded[row : row + height, column : column + width]
    return responses


def _description(edge: tuple[float, float], line: tuple[float, float], blob: float) -> Description:
    """From the best match of an edge and of a line, each with the angle (radians) in which it derives."""
    matches = [min(1.0, round(match, 4)) for match in (edge[0], line[0], blob)]
    across = edge[1] if matches[0] >= matches[1] else line[1]
    along = math.degrees(across) + 90  # a contour runs at right angles to its derivative
    orientation = round(along % 180, 1) % 180
    match, kind = max(zip(matches, ("edge", "line", "blob"), strict=True))
    return Description(kind, orientation, *matches) if match > 0 else NOTHING


def _match_edges(contrast: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each filter of `contrast` (K, k, k) the match of a steered first derivative, and the two parts (x, y) of the
    direction in which it derives; (K,) each."""
    x, y, gaussian = _grid(contrast.shape[-1], sigma)
    dx, dy = x * gaussian, y * gaussian  # orthogonal and of equal norm on a square grid
    along_x, along_y = _sums(contrast * dx), _sums(contrast * dy)
    return (along_x * along_x + along_y * along_y) / _sums(dx * dx), along_x, along_y


def _match_lines(contrast: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of a steered second derivative, but for the direction's angle, which is twice that of the derivative.

    The derivative at angle t is ring + cos(2t) plus + sin(2t) cross, three orthogonal parts. In the plane the last two
    have the same norm; on a coarse grid they do not until they are given it, and then t has a closed form.
    """
    x, y, gaussian = _grid(contrast.shape[-1], sigma)
    ring = _without_mean((x * x + y * y - 2 * sigma * sigma) * gaussian)
    plus, cross = (x * x - y * y) * gaussian, 2 * x * y * gaussian
    cross = cross * math.sqrt(_sums(plus * plus) / _sums(cross * cross))
    energy = _sums(ring * ring) + _sums(plus * plus)
    if energy < 1e-12:  # 2x2: all pixels lie on the diagonals, at one distance from the centre
        return (np.zeros(len(contrast)),) * 3
    a, b, c = (_sums(contrast * part) for part in (ring, plus, cross))
    sign = np.where(a < 0, -1.0, 1.0)  # a bright and a dark line are the same line
    most = np.abs(a) + np.sqrt(b * b + c * c)
    return most * most / energy, sign * b, sign * c


def _match_blobs(contrast: np.ndarray, sigma: float) -> np.ndarray:
    x, y, gaussian = _grid(contrast.shape[-1], sigma)
    blobs = [_without_mean(blob) for blob in (gaussian, (x * x + y * y - 2 * sigma * sigma) * gaussian)]
    along = [(_sums(contrast * blob), max(float(_sums(blob * blob)), 1e-12)) for blob in blobs]
    return np.stack([part * part / norm for part, norm in along]).max(axis=0)


def _grid(k: int, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel centres x (to the right) and y (upwards), from the middle of a k x k filter, and the Gaussian there."""
    x = np.arange(k) - (k - 1) / 2
    y = -x[:, None]
    bell = np.array([math.exp(-value * value / (2 * sigma * sigma)) for value in x.tolist()])
    return x, y, bell * bell[:, None]


def _angle(y: np.float64, x: np.float64) -> float:
    return math.atan2(float(y), float(x))


def _sums(values: np.ndarray) -> np.ndarray:
    """Of each (k, k) of `values`, in a fixed order."""
    return values.sum(axis=(-2, -1))


def _without_mean(values: np.ndarray) -> np.ndarray:
    return values - values.mean()
