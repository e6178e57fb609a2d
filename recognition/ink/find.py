"""Grey values to the ink of the one character, whatever the pen, the paper and the light."""

import numpy as np

from recognition.ink.characters import find_characters
from recognition.ink.paper import strength


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Strength of the character's ink, (H, W) float32 from 0 (paper) to 1, of a picture (H, W) uint8. All 0: no ink.

    Where there are several characters, the one with most ink, the nearer to the middle the better.
    """
    ink = np.zeros(grey.shape, np.float32)
    for one in find_characters(strength(grey))[:1]:
        left, top, right, bottom = one.box
        ink[top:bottom, left:right] = one.ink
    return ink
