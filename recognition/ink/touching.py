"""Characters whose ink touches: where they may be cut apart, and which cuts are taken, by reading and geometry together
or, where it is known how many there are and no network knows such, by geometry alone. No torch.

All is said of characters in a line; of those in two lines, one above the other, it holds for their ink on its side.

Ink is cut along paths of least ink from top to bottom (J. Wang, J. Jean, "Segmentation of merged characters by neural
networks and shortest path", 1994), more often than needed; of all ways to join the slices that one is taken which is
read best (heuristic over-segmentation: Y. LeCun et al., "Gradient-based learning applied to document recognition",
1998, section V).
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from recognition.ink.characters import Character
from recognition.ink.geometry import TOUCHING, distance

WIDE = 0.8  # of the typical height: what is less wide is one character
WIDEST = 1.6  # of the typical height: what is wider is no character, but what is left whole
APART = 0.04  # of the typical height that cuts must be apart
MOST = 16  # cuts of a piece, those that cross least
SIDEWAYS = 0.02  # what a path's step costs beside the ink that it crosses; one to the side costs twice that
CRUMB = 0.15  # of a slice's ink: what has less, apart from the rest, is the other character's
LOW = 0.5  # of the typical height: what is lower, and less wide, is no character

# In nats, as what the network's readings lack of being sure; chosen on MNIST's training digits: of 400 alone, half of
# them broadened by up to 1.7 times, none is cut; of 160 pairs pushed together, 70 % are.
UNKNOWN = 1.0  # for each that is no character of the network's
EACH = 0.4  # for each character
TOO_WIDE = 1.0  # for each typical height that one is wider than one such
THROUGH = 0.4  # for each stroke's width that a cut crosses more than one

# For those known to be several, chosen on the same digits: none of 1,200 alone is so wide, and of 450 pairs that are
# 63 % are read right once they are cut by geometry alone.
NARROWEST = 0.6  # of the typical height: as wide is each of them, on average
UNEQUAL = 4.0  # strokes' widths that a cut may cross more, for parts that are as wide as the others


class Lattice(NamedTuple):
    """Every run of slices of a piece of ink: from cut i to cut j, where 0 and `last` are the piece's own ends."""

    last: int
    parts: dict[tuple[int, int], Character]
    costs: dict[tuple[int, int], float]  # of taking it for one character, nats


def may_touch(width: float, worth: float) -> bool:
    """Whether ink, its width in typical heights, might be better read in parts than as one character of that worth."""
    return width > WIDE and worth - cost(width) < -2 * EACH


def lattice(piece: Character, height: float) -> Lattice:
    """Of a piece of ink among characters `height` pixels high."""
    ink = piece.ink
    rows, columns = ink.shape
    cuts = _cuts(ink, max(1, int(APART * height)))
    paths = [np.zeros(rows, int), *(path for path, _ in cuts), np.full(rows, columns)]
    crossing = [0.0, *(THROUGH * max(0, crossed - 1) for _, crossed in cuts), 0.0]
    last = len(paths) - 1
    found = Lattice(last, {(0, last): piece}, {(0, last): cost(columns / height)})
    for i, j in itertools.combinations(range(last + 1), 2):
        if (i, j) == (0, last) or not (part := _between(ink, paths[i], paths[j])).any():
            continue
        one = cropped(piece, part)
        high, wide = one.ink.shape
        if LOW * height < max(high, wide) and wide < WIDEST * height:
            found.parts[i, j] = one
            found.costs[i, j] = cost(wide / height) + crossing[j]
    return found


def cost(width: float) -> float:
    """Of taking ink, its width in typical heights, for one character, nats."""
    return EACH + TOO_WIDE * max(0.0, width - 1)


def best(lattice: Lattice, worth: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The runs of slices, from the left to the right, that are characters, by how well they are read, nats.

    The way through the lattice with the greatest sum, by dynamic programming.
    """
    ways: dict[int, tuple[float, list[tuple[int, int]]]] = {0: (0.0, [])}
    for j in range(1, lattice.last + 1):
        to = [
            (ways[i][0] + worth[i, j] - lattice.costs[i, j], [*ways[i][1], (i, j)])
            for i in range(j)
            if i in ways and (i, j) in worth
        ]
        if to:
            ways[j] = max(to)
    return ways[lattice.last][1]


def divided(piece: Character, n: int, height: float) -> list[Character]:
    """A piece of ink known to be n characters about `height` pixels high, from the left to the right: cut where little
    ink is crossed and the parts are about as wide. Whole where that cannot be."""
    rows, columns = piece.ink.shape
    cuts = _cuts(piece.ink, max(1, int(APART * height)))

    def dear(way: Sequence[tuple[np.ndarray, float]]) -> float:
        ends = np.array([0, *(path.mean() for path, _ in way), columns])
        return sum(crossed for _, crossed in way) + UNEQUAL * float(abs(np.diff(ends) * n / columns - 1).sum())

    way = min(itertools.combinations(cuts, n - 1), key=dear, default=())
    if not way:
        return [piece]
    paths = [np.zeros(rows, int), *(path for path, _ in way), np.full(rows, columns)]
    parts = [_between(piece.ink, left, right) for left, right in itertools.pairwise(paths)]
    return [cropped(piece, part) for part in parts] if all(part.any() for part in parts) else [piece]


def flipped(piece: Character) -> Character:
    """With rows for columns: what stands one above the other is then side by side."""
    return Character(piece.left, piece.top, piece.ink.T, piece.weight)


def cropped(piece: Character, part: np.ndarray) -> Character:
    """A part of a piece: its ink, (H, W), 0 where it is the other parts'."""
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    ink = part[top : rows[-1] + 1, left : columns[-1] + 1].copy()  # not a view, that would keep all of the piece
    return Character(piece.top + top, piece.left + left, ink, piece.weight)


def _cuts(ink: np.ndarray, apart: int) -> list[tuple[np.ndarray, float]]:
    """Paths from top to bottom, the column in each row, from the left to the right; and how many strokes each crosses.

    Those that cross less than the paths beside them, of ink and of what it encloses: a loop is nowhere thin.
    """
    rows, columns = ink.shape
    inside = np.pad(ink > ink.max() / 2, 1)
    stroke = 4 * float(distance(inside)[inside].mean())
    solid = np.maximum(ink, ndimage.binary_fill_holes(inside[1:-1, 1:-1]))
    step = solid + SIDEWAYS
    above, below = _least(step), _least(step[::-1])[::-1]
    middle = rows // 2
    crossed = above[middle] + below[middle] - step[middle]
    least = ndimage.minimum_filter1d(crossed, 2 * apart + 1)
    found: list[tuple[np.ndarray, float]] = []
    last = 0
    for column in np.flatnonzero(crossed == least).tolist():
        if min(column - last, columns - column) > apart:
            path = np.array([*_back(above[: middle + 1], column)[:0:-1], *_back(below[middle:][::-1], column)])
            found.append((path, float(solid[np.arange(rows), path].sum()) / stroke))
            last = column
    kept = sorted(range(len(found)), key=lambda i: found[i][1])[:MOST]
    return [found[i] for i in sorted(kept)]


def _least(step: np.ndarray) -> np.ndarray:
    """Of each place, what the cheapest path to it costs that begins in the first row."""
    found = step.copy()
    for row, before in zip(found[1:], found, strict=False):
        beside = np.pad(before, 1, constant_values=np.inf)
        row += np.minimum(before, np.minimum(beside[:-2], beside[2:]) + SIDEWAYS)
    return found


def _back(costs: np.ndarray, column: int) -> list[int]:
    """The cheapest path's column in each row, from the last row, where it is `column`, to the first."""
    path = [column]
    for row in costs[-2::-1]:
        column = min(
            (row[other] + SIDEWAYS * (other != column), other)
            for other in range(max(0, column - 1), min(len(row), column + 2))
        )[1]
        path.append(column)
    return path


def _between(ink: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What lies between two paths, without crumbs of what lies beyond."""
    columns = np.arange(ink.shape[1])
    part = np.where((left[:, None] <= columns) & (columns < right[:, None]), ink, 0)
    pieces, n = ndimage.label(part > 0.1, TOUCHING)
    mass = np.asarray(ndimage.sum(part, pieces, np.arange(n + 1)))
    mass[0] = 0
    return part * (mass >= CRUMB * max(mass.sum(), 1e-6))[pieces]
