"""Every character of a picture: where it is, and its ink."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from recognition.ink.geometry import TOUCHING, distance, hull_area
from recognition.ink.joining import joined
from recognition.ink.paper import Strength
from recognition.ink.pieces import Piece, find_pieces

FAINT = 0.3  # of a character's level: strokes as weak as this count as much as its strongest
BENT = 0.7  # of its convex hull's area: what a hole has less is bent


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


def find_characters(strength: Strength) -> list[Character]:
    """Every character in a picture, heaviest first; none where there is no ink."""
    pieces, labels = find_pieces(strength)
    found = [_character(strength.ink, labels, piece, strength.corner) for piece in joined(pieces)]
    return sorted(found, key=lambda character: -character.weight)


def _character(ink: np.ndarray, labels: np.ndarray, piece: Piece, corner: tuple[int, int]) -> Character:
    top, left, bottom, right = piece.box
    top, left = max(top - 1, 0), max(left - 1, 0)
    around = labels[top : bottom + 1, left : right + 1]
    chosen = np.isin(around, piece.labels)
    filled = _outlined(chosen)
    chosen |= filled
    fringe = ndimage.binary_dilation(chosen, TOUCHING) & (chosen | (around == 0))
    own = _even(ink[top : bottom + 1, left : right + 1], chosen, piece.level)
    own = np.where(fringe, np.where(filled, 1, own), 0).astype(np.float32)
    return Character(top + corner[0], left + corner[1], own, piece.weight)


def _even(ink: np.ndarray, chosen: np.ndarray, level: float) -> np.ndarray:
    """As shares of the level of the strokes, which a light hand leaves lower in places: of the strongest within a pen's
    width and a half."""
    pen = 2 * float(distance(chosen)[chosen].mean())
    around = ndimage.maximum_filter(np.where(chosen, ink, 0), size=int(1.5 * pen) | 1)
    return np.clip((ink / np.clip(around, FAINT * level, level) - 0.2) / 0.6, 0, 1)


def _outlined(mask: np.ndarray) -> np.ndarray:
    """What a character's strokes enclose where only their outlines are drawn: holes wider than the pen, and long, or
    bent as those of no letter."""
    holes, n = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    filled = np.zeros_like(mask)
    if n:
        pen = 2 * float(distance(mask)[mask].mean())
        radius = np.asarray(ndimage.maximum(distance(holes > 0), holes, np.arange(1, n + 1)))
        area = np.bincount(holes.ravel())[1:]
        long = (area > 14 * radius * radius) & (radius > pen)
        boxes = ndimage.find_objects(holes)
        for i in np.flatnonzero((radius > pen) & ~long):
            long[i] = area[i] < BENT * hull_area(holes[boxes[i]] == i + 1)[0]
        filled = np.append(False, long)[holes]
    return filled if filled.sum() > 1.2 * mask.sum() else np.zeros_like(mask)
