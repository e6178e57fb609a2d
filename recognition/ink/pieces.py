"""Strength of ink to its pieces: which connected ink is writing."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from recognition.ink.geometry import TOUCHING, distance, hull_area, on_edge
from recognition.ink.paper import Strength
from recognition.ink.ruling import without_ruling

SAME_INK = 0.4  # of the ink's level: what is weaker is no ink, but ruled lines, shadows or the page's back
WEAKEST = 0.35  # where a stroke is weaker it ends on bare paper
BRIDGE = 0.15  # where strokes are as weak as this they lead on, if to where they are strong again
EDGE = 2  # pixels, how broad a stroke's blurred edge is
SPECK = 0.01  # of the mass of the heaviest piece that is not at an edge: what has less is noise
MOST = 1000  # pieces that are looked at, the heaviest


class Piece(NamedTuple):
    """Ink that is, or may be, one character's."""

    labels: list[int]  # of connected ink
    rough: int  # the connected ink, weak ink too, that it was cut from
    box: tuple[int, int, int, int]  # top, left, bottom, right
    outline: np.ndarray  # (n, 2) row and column of its outermost pixels
    mass: float  # sum of strength
    level: float  # of its strong ink
    contact: float  # how much of its length lies on the edge, 0 to 1
    free: float  # the less, the nearer it is to the edge

    @property
    def weight(self) -> float:
        """Of the one to read: large and strong, away from the picture's edges."""
        return self.free * self.extent * self.extent * self.level * self.level

    @property
    def height(self) -> int:
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        return self.box[3] - self.box[1]

    @property
    def extent(self) -> int:
        return max(self.height, self.width)


def find_pieces(strength: Strength) -> tuple[list[Piece], np.ndarray]:
    """What is written in a picture, none where there is no ink; and the labels, (H, W), of connected ink."""
    ink, noise, _ = strength
    if not ink.any():
        return [], np.zeros(ink.shape, int)
    third = ink * ink * ink
    strong = float((third * ink).sum(dtype=np.float64) / third.sum(dtype=np.float64))
    mask = without_ruling(ink > max(7 * noise, min(0.05, strong / 5)))
    rough, n = ndimage.label(mask, TOUCHING)
    if n == 0:
        return [], rough
    # Each piece is cut at its own level of ink, so that a black table edge does not hide a pencil.
    levels = np.append(np.inf, _level(ink, rough, n))
    share = ink / levels[rough]
    strokes = np.append(False, _are_strokes(mask & (share > SAME_INK), rough, n))
    strong = mask & (share > np.where(strokes[rough], WEAKEST, SAME_INK))
    bridges = _bridges(mask & strokes[rough] & (share > BRIDGE), strong)
    labels, n = ndimage.label(strong | bridges, TOUCHING)
    return _written(_pieces(labels, n, np.where(strokes[rough], rough, 0), ink), labels), labels


def _bridges(weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Which weak ink leads from strong ink on to strong ink, as where a hand was light: not a stroke's blurred edge,
    and nothing that ends on bare paper."""
    reach, steps = EDGE + 1, 2 * EDGE + 3
    labels, n = ndimage.label(weak & ~ndimage.maximum_filter(strong, 2 * EDGE + 1), TOUCHING)
    ends, _ = ndimage.label(strong & ndimage.maximum_filter(labels > 0, steps), TOUCHING)
    rows, columns = np.nonzero(ends)
    around, own = np.pad(labels, reach), ends[rows, columns] * (n + 1)
    met = [np.unique(own + around[rows + down, columns + right]) for down in range(steps) for right in range(steps)]
    meetings = np.bincount(np.unique(np.concatenate(met)) % (n + 1), minlength=n + 1)
    leads = np.append(False, meetings[1:] > 1)[labels]
    return ndimage.maximum_filter(leads, steps) & weak


def _pieces(labels: np.ndarray, n: int, rough: np.ndarray, ink: np.ndarray) -> list[Piece]:
    """Heaviest first; without specks, of which noise has many."""
    there = np.nonzero(labels)
    y, x = (np.linspace(-1, 1, length)[at] for length, at in zip(labels.shape, there, strict=True))
    outwards = np.maximum(y * y, x * x)
    of, shares = labels[there], ink[there]
    third = shares * shares * shares
    mass, level = _sums(shares, of, n), _level(ink, labels, n)
    central = _sums(third * (1 - outwards * outwards), of, n) / _sums(third, of, n)
    contacts = np.minimum(1, on_edge(labels, n))
    boxes = ndimage.find_objects(labels)
    inner = (1 - contacts) * (1 - contacts)
    heavy = mass >= SPECK * (mass * inner).max()  # a finger or a dark corner does not make specks of digits
    found = []
    for i in np.flatnonzero(heavy).tolist():
        rows, columns = boxes[i]
        own = labels[rows, columns] == i + 1
        box = rows.start, columns.start, rows.stop, columns.stop
        outline = np.argwhere(own & ~ndimage.binary_erosion(own)) + np.array(box[:2])
        origin = int(rough[tuple(outline[0])])
        found.append(
            Piece(
                [i + 1],
                origin or -i - 1,
                box,
                outline,
                float(mass[i]),
                float(level[i]),
                float(contacts[i]),
                float(central[i] * inner[i]),
            )
        )
    return sorted(found, key=lambda piece: -piece.mass)[:MOST]


def _are_strokes(strong: np.ndarray, rough: np.ndarray, n: int) -> np.ndarray:
    """Of each connected ink, whether it is hardly broader than the strong ink in it: no shadow around it."""
    broadest = []
    for mask in (rough > 0, strong):
        widths = np.zeros(n + 1)
        np.maximum.at(widths, rough[mask], distance(mask)[mask])
        broadest.append(widths[1:])
    broad, thin = broadest
    return broad < 2.5 * thin + 1


def _level(ink: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Each piece's level of strong ink: fourth over third powers, so that a wide weak part counts for little."""
    there = labels > 0
    of, shares = labels[there], ink[there]
    third = shares * shares * shares
    return _sums(third * shares, of, n) / _sums(third, of, n)


def _sums(values: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Of the values of each label from 1 to n."""
    return np.bincount(labels, values, n + 1)[1:]


def _written(pieces: list[Piece], labels: np.ndarray) -> list[Piece]:
    """Which pieces are writing: no frames around others, no specks, no weak traces, nothing that only enters."""
    inside = [piece for piece in pieces if not _is_a_frame(piece, pieces, labels)]
    main = max(inside, key=lambda piece: (piece.weight, piece.mass))
    return [
        piece
        for piece in inside
        if piece is main
        or (piece.mass > SPECK * main.mass and piece.level > SAME_INK * main.level and piece.contact < 0.5)
    ]


def _is_a_frame(piece: Piece, pieces: list[Piece], labels: np.ndarray) -> bool:
    """Whether a piece is a rectangle's outline with another piece inside."""
    top, left, bottom, right = piece.box
    inside = [
        other
        for other in pieces
        if other.extent > 0.15 * piece.extent
        and top < other.box[0] and left < other.box[1] and other.box[2] < bottom and other.box[3] < right
    ]  # fmt: skip
    if not inside:
        return False
    own = labels[top:bottom, left:right] == piece.labels[0]
    whole = ndimage.binary_fill_holes(own)
    if whole.sum() - own.sum() < 0.4 * own.size:
        return False
    return whole.sum() > 0.82 * hull_area(own)[1]
