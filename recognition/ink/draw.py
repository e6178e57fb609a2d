"""A photo with boxes and what is read in them, for looking."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recognition.ink.lines import Box

LEAST = 12  # pixels, of the labels' height
COLOUR = 200, 30, 60


def draw(pixels: np.ndarray, labelled: Iterable[tuple[Box, str]], scale: tuple[float, float] = (1, 1)) -> Image.Image:
    """A picture (H, W) or (H, W, 3) uint8 with a frame just inside each box, and its label above.

    Boxes are left, top, right and bottom, the last two just beyond, in units of which `scale` make a pixel, across and
    down.
    """
    from matplotlib import get_data_path  # ships a typeface of many scripts; nothing is plotted

    image = Image.fromarray(pixels).convert("RGB")
    across, down = scale
    pen, wide = ImageDraw.Draw(image), max(1, max(image.size) // 1000)
    typeface = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for box, label in labelled:
        left, right = (round(end / across) for end in box[::2])
        top, bottom = (round(end / down) for end in box[1::2])
        font = ImageFont.truetype(typeface, max(LEAST, (bottom - top) // 4))
        pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=COLOUR, width=wide)
        pen.text((left, max(top, font.size)), label, fill=COLOUR, font=font, anchor="ld")
    return image
