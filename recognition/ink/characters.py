"""Strength of ink to characters: which ink is one, whatever else is on the paper."""

import itertools
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from recognition.ink.geometry import TOUCHING, distance, hull_area
from recognition.ink.paper import Strength
from recognition.ink.ruling import without_ruling

SAME_INK = 0.4  # of the ink's level: what is weaker is no ink, but ruled lines, shadows or the page's back
WEAKEST = 0.35  # where a stroke is weaker it ends

SPECK = 0.01  # of the heaviest piece's mass: what has less is noise
MOST = 1000  # pieces that are looked at, the heaviest
CRUMB = 0.25  # of a character's height: what is smaller adds to a character, and does not reach for more
LONG = 1.5  # typical heights: a level stroke that is longer is no sign, but a line below several
FAR = 0.1  # of the typical height: what is farther from a stroke than this, and twice its nearest, is another's
BETWEEN_ROWS = 0.15  # of the typical height: a stroke that is farther off, and has its like beside it, is a character
FARTHEST = 0.75  # of a character's extent that a stroke may stand off


class Character(NamedTuple):
    top: int  # of its box in the picture, pixels
    left: int
    ink: np.ndarray  # (height, width) float32, 0 on paper to 1
    weight: float  # of its ink, the more the nearer to the picture's middle; what touches an edge weighs less

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom"""
        height, width = self.ink.shape
        return self.left, self.top, self.left + width, self.top + height


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


def find_characters(strength: Strength) -> list[Character]:
    """Every character in a picture, heaviest first; none where there is no ink."""
    ink, noise, corner = strength
    if not ink.any():
        return []
    third = ink * ink * ink
    strong = float((third * ink).sum(dtype=np.float64) / third.sum(dtype=np.float64))
    mask = without_ruling(ink > max(7 * noise, min(0.05, strong / 5)))
    rough, n = ndimage.label(mask, TOUCHING)
    if n == 0:
        return []
    # Each piece is cut at its own level of ink, so that a black table edge does not hide a pencil.
    levels = np.append(np.inf, _level(ink, rough, n))
    share = ink / levels[rough]
    strokes = np.append(False, _are_strokes(mask & (share > SAME_INK), rough, n))
    labels, n = ndimage.label(mask & (share > np.where(strokes[rough], WEAKEST, SAME_INK)), TOUCHING)
    pieces = _written(_pieces(labels, n, np.where(strokes[rough], rough, 0), ink), labels)
    pieces = _one_of_two(_joined(_without_rules(pieces)))
    height = _typical(pieces)
    found = [
        _character(ink, labels, piece, corner)
        for piece in pieces
        if not any(_underlines(piece, other, height) for other in pieces if other is not piece)
    ]
    return sorted(found, key=lambda character: -character.weight)


def _pieces(labels: np.ndarray, n: int, rough: np.ndarray, ink: np.ndarray) -> list[Piece]:
    """Heaviest first; without specks, of which noise has many."""
    there = np.nonzero(labels)
    y, x = (np.linspace(-1, 1, length)[at] for length, at in zip(labels.shape, there, strict=True))
    outwards = np.maximum(y * y, x * x)
    of, shares = labels[there], ink[there]
    third = shares * shares * shares
    mass, level = _sums(shares, of, n), _level(ink, labels, n)
    central = _sums(third * (1 - outwards * outwards), of, n) / _sums(third, of, n)
    edge = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]), minlength=n + 1)[1:]
    boxes = ndimage.find_objects(labels)
    longest = np.array([max(s.stop - s.start for s in box) for box in boxes])
    contacts = np.minimum(1, edge / longest)
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


def _without_rules(pieces: list[Piece]) -> list[Piece]:
    """Without lines drawn below several characters, as below a sum: they would reach from each to the next."""
    writing = [piece for piece in pieces if not _is_level(piece)]
    if not writing:
        return pieces
    height = _typical(writing)
    rules = [
        piece
        for piece in pieces
        if _is_level(piece)
        and piece.width > LONG * height
        and any(_underlines(piece, other, height) for other in writing)
    ]
    return [piece for piece in pieces if piece not in rules]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Pieces that are one character each: first strokes with strokes, then crumbs with the nearest of them."""
    gaps = _gaps(pieces)
    height = _typical(pieces)
    while True:
        crumb = [piece.extent < CRUMB * height for piece in pieces]
        strokes = [i for i, small in enumerate(crumb) if not small]
        in_row = _in_rows(pieces, height)
        leader = list(range(len(pieces)))
        pairs = [
            (i, j)
            for i, j in itertools.combinations(strokes, 2)
            if not (in_row[j] and gaps[i, j] > BETWEEN_ROWS * height)
            and _belong(pieces[j], pieces[i], gaps[i, j], height)
        ]
        nearest = {j: min(gaps[i, j] for i, other in pairs if other == j) for _, j in pairs}
        for i, j in pairs:
            if leader[i] != leader[j] and gaps[i, j] <= max(2 * nearest[j], FAR * height):
                leader = [leader[i] if one == leader[j] else one for one in leader]
        if leader == list(range(len(pieces))):
            break
        pieces, gaps = _grouped(pieces, gaps, leader)
        height = _typical(pieces)
    for j in np.flatnonzero(crumb).tolist():
        near = [i for i in strokes if _belong(pieces[j], pieces[i], gaps[i, j], height)]
        leader[j] = min(near, key=lambda i: gaps[i, j], default=j)
    return _grouped(pieces, gaps, leader)[0]


def _in_rows(pieces: list[Piece], height: float) -> list[bool]:
    """Of each piece, whether it is like two others that are level with it: characters, and no strokes of a larger."""
    top, left, bottom, right = np.array([piece.box for piece in pieces], dtype=float).T
    high, middle = bottom - top, (top + bottom) / 2
    upright = (high > CRUMB * height) & (high > (right - left) / 2)
    alike = (np.maximum.outer(high, high) < 1.6 * np.minimum.outer(high, high)) & np.outer(upright, upright)
    level = abs(np.subtract.outer(middle, middle)) < 0.5 * np.minimum.outer(high, high)
    return [bool(n > 2) for n in (alike & level).sum(axis=1)]


def _gaps(pieces: list[Piece]) -> np.ndarray:
    """Between the outlines of each two, pixels; infinite where it is too far to matter."""
    boxes = np.array([piece.box for piece in pieces])
    trees = [KDTree(piece.outline) for piece in pieces]
    gaps = np.full((len(pieces), len(pieces)), np.inf)
    for i, large in enumerate(pieces):
        top, left, bottom, right = large.box
        apart = np.max([boxes[:, 0] - bottom, top - boxes[:, 2], boxes[:, 1] - right, left - boxes[:, 3]], axis=0)
        for j in np.flatnonzero(apart <= FARTHEST * large.extent):
            gaps[i, j] = gaps[j, i] = trees[i].query(pieces[j].outline)[0].min()
    return gaps


def _grouped(pieces: list[Piece], gaps: np.ndarray, leader: list[int]) -> tuple[list[Piece], np.ndarray]:
    """Those with the same leader together, heaviest first, and the gaps between them."""
    groups = [np.flatnonzero(np.equal(leader, own)) for own in sorted(set(leader))]
    groups.sort(key=lambda group: -sum(pieces[i].mass for i in group))
    rows = np.stack([gaps[group].min(axis=0) for group in groups])
    together = [_together([pieces[i] for i in group]) for group in groups]
    return together, np.stack([rows[:, group].min(axis=1) for group in groups], axis=1)


def _one_of_two(pieces: list[Piece]) -> list[Piece]:
    """A stem and two arms that meet at its middle, alone on the paper, are one character: a kappa."""
    height = _typical(pieces)
    tall = [piece for piece in pieces if piece.height > 0.55 * height]
    rest = [piece for piece in pieces if piece.height <= 0.55 * height]
    if len(tall) != 2 or any(piece.extent > 0.3 * height for piece in rest):
        return pieces
    stem, other = sorted(tall, key=lambda piece: piece.width / piece.height)
    whole = _together(tall)
    gaps, nearest = KDTree(stem.outline).query(other.outline)
    closest = gaps.argmin()
    rows = [(stem, stem.outline[nearest[closest], 0]), (other, other.outline[closest, 0])]
    middle = all(0.25 < (row - piece.box[0]) / piece.height < 0.75 for piece, row in rows)
    level = other.outline[abs(other.outline[:, 0] - other.outline[closest, 0]) <= 0.02 * other.height, 1]
    arms = stem.box[1] < other.box[1] and level.max() < (other.box[1] + other.box[3]) / 2  # nothing to their right
    if middle and arms and gaps[closest] < 0.28 * whole.height and stem.width < 0.45 * stem.height:
        return [whole, *rest]
    return pieces


def _typical(pieces: list[Piece]) -> float:
    """Height of a typical character: half of all ink is of smaller ones."""
    smallest = sorted(pieces, key=lambda piece: piece.extent)
    share = np.cumsum([piece.mass for piece in smallest])
    return float(smallest[int(np.searchsorted(share, share[-1] / 2))].extent)


def _together(pieces: list[Piece]) -> Piece:
    boxes = np.array([piece.box for piece in pieces])
    mass = sum(piece.mass for piece in pieces)
    return Piece(
        [label for piece in pieces for label in piece.labels],
        pieces[0].rough,
        (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()),
        np.concatenate([piece.outline for piece in pieces]),
        mass,
        sum(piece.level * piece.mass for piece in pieces) / mass,
        max(piece.contact for piece in pieces),
        sum(piece.free * piece.mass for piece in pieces) / mass,
    )


def _belong(small: Piece, large: Piece, gap: float, height: float) -> bool:
    """Whether two pieces are of one character: one above the other, one in the other, or a crumb beside its stroke."""
    reach = (
        min(FARTHEST, 0.25 + 1.5 * small.mass / large.mass) * large.extent
    )  # a stroke stands farther off than a crumb
    if gap > reach or (small.contact > 0 and large.contact == 0):
        return False
    if _is_below(small, large, height) or _is_below(large, small, height):
        return False
    a, b = small.box, large.box
    beside = min(a[3], b[3]) - max(a[1], b[1])
    level = min(a[2], b[2]) - max(a[0], b[0])
    if beside > 0.9 * small.width and level > 0.9 * small.height:
        return True
    if small.rough == large.rough and gap <= 0.2 * height:
        return True
    above = beside > 0.4 * min(small.width, large.width)
    if min(small.height, large.height) > 0.55 * height:  # two tall ones: two characters
        return gap <= max((0.08 if above else 0.03) * height, 1.5)
    if above or small.rough == large.rough:
        return True
    return gap <= (0.25 if small.mass < 0.1 * large.mass else 0.15) * large.extent


def _is_level(piece: Piece) -> bool:
    """Whether it is a level stroke."""
    return piece.height <= 0.3 * piece.width


def _underlines(line: Piece, other: Piece, height: float) -> bool:
    """Whether a level stroke lies below something tall, and close: a minus of the next line lies farther off."""
    reach = 1 if line.width > LONG * height else 0.35
    return _is_below(line, other, height) and _middle(line) - other.box[2] < reach * other.height


def _is_below(line: Piece, other: Piece, height: float) -> bool:
    """Whether a level stroke lies below something tall: no stroke of its."""
    if not _is_level(line) or line.width < 0.5 * height or other.height < 0.5 * height:
        return False
    overlap = min(line.box[3], other.box[3]) - max(line.box[1], other.box[1])
    return _middle(line) > other.box[2] - 0.1 * other.height and overlap > 0.5 * other.width


def _middle(piece: Piece) -> float:
    """Its row."""
    return (piece.box[0] + piece.box[2]) / 2


def _character(ink: np.ndarray, labels: np.ndarray, piece: Piece, corner: tuple[int, int]) -> Character:
    top, left, bottom, right = piece.box
    top, left = max(top - 1, 0), max(left - 1, 0)
    around = labels[top : bottom + 1, left : right + 1]
    chosen = np.isin(around, piece.labels)
    filled = _outlined(chosen)
    chosen |= filled
    fringe = ndimage.binary_dilation(chosen, TOUCHING) & (chosen | (around == 0))
    own = np.clip((ink[top : bottom + 1, left : right + 1] / piece.level - 0.2) / 0.6, 0, 1)
    own = np.where(fringe, np.where(filled, 1, own), 0).astype(np.float32)
    return Character(top + corner[0], left + corner[1], own, piece.weight)


def _outlined(mask: np.ndarray) -> np.ndarray:
    """What a character's strokes enclose where only their outlines are drawn: long holes, wider than the pen."""
    holes, n = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    filled = np.zeros_like(mask)
    if n:
        pen = 2 * float(distance(mask)[mask].mean())
        radius = np.asarray(ndimage.maximum(distance(holes > 0), holes, np.arange(1, n + 1)))
        area = np.bincount(holes.ravel())[1:]
        long = (area > 14 * radius * radius) & (radius > pen)
        filled = np.append(False, long)[holes]
    return filled if filled.sum() > 1.2 * mask.sum() else np.zeros_like(mask)
