"""Which pieces of ink are one character."""

import itertools

import numpy as np
from scipy.spatial import KDTree

from recognition.ink.pieces import Piece

CRUMB = 0.25  # of a character's height: what is smaller adds to a character, and does not reach for more
LONG = 1.5  # typical heights: a level stroke that is longer is no sign, but a line below several
FAR = 0.1  # of the typical height: what is farther from a stroke than this, and twice its nearest, is another's
BETWEEN_ROWS = 0.15  # of the typical height: a stroke that is farther off, and has its like beside it, is a character
ACCENT = 0.6  # of a character's height, at most, is what stands over it
FARTHEST = 0.75  # of a character's extent that a stroke may stand off


def joined(pieces: list[Piece]) -> list[Piece]:
    """What is written, a piece for each character."""
    if not pieces:
        return []
    found = _one_of_two(_assembled(_without_rules(pieces)))
    height = _typical(found)
    return [
        piece for piece in found if not any(_underlines(piece, other, height) for other in found if other is not piece)
    ]


def _without_rules(pieces: list[Piece]) -> list[Piece]:
    """Without lines drawn below several characters, as below a sum: they would reach from each to the next. A sign may
    have a long bar, as a division sign."""
    writing = [piece for piece in pieces if not _is_level(piece)]
    if not writing:
        return pieces
    height = _typical(writing)

    def is_rule(piece: Piece) -> bool:
        long = _is_level(piece) and piece.width > LONG * height
        return long and sum(_underlines(piece, other, height) for other in writing) > 1

    return [piece for piece in pieces if not is_rule(piece)]


def _assembled(pieces: list[Piece]) -> list[Piece]:
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
            if not (in_row[j] and gaps[i, j] > BETWEEN_ROWS * height and not _is_accent(pieces[j], pieces[i]))
            and _belong(pieces[j], pieces[i], gaps[i, j], height)
        ]
        nearest: dict[int, float] = {}
        for i, j in pairs:
            nearest[j] = min(nearest.get(j, np.inf), gaps[i, j])
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


def _is_accent(small: Piece, large: Piece) -> bool:
    """Whether it stands over the other and is no row's above it: in a row of i or å there are as many as letters."""
    within = min(small.box[3], large.box[3]) - max(small.box[1], large.box[1])
    return small.box[2] <= large.box[0] and small.height < ACCENT * large.height and within > 0.8 * small.width


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


def _is_level(piece: Piece) -> bool:
    """Whether it is a level stroke."""
    return piece.height <= 0.3 * piece.width
