"""A photo with boxes and what is read in them, for looking."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recognition.ink.lines import Box

LEAST = 12  # pixels, of the labels' height
COLOUR = 200, 30, 60


def draw(grey: np.ndarray, labelled: Iterable[tuple[Box, str]]) -> Image.Image:
    """A picture (H, W) uint8 with a frame around each box, left, top, right and bottom, and its label above."""
    from matplotlib import get_data_path  # ships a typeface of many scripts; nothing is plotted

    image = Image.fromarray(grey).convert("RGB")
    pen = ImageDraw.Draw(image)
    typeface = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for (left, top, right, bottom), label in labelled:
        font = ImageFont.truetype(typeface, max(LEAST, (bottom - top) // 4))
        pen.rectangle((left, top, right, bottom), outline=COLOUR)
        pen.text((left, max(top, font.size)), label, fill=COLOUR, font=font, anchor="ld")
    return image
