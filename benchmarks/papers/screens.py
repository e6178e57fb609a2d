"""A digit on a screen: files, drawing programs and web pages."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from benchmarks.papers.drawing import any_of, around, kind, over, screen, sheet


@kind("MNIST", sizes=None)
def own(ink: np.ndarray, random: Generator) -> np.ndarray:
    return screen(255 * ink)


@kind("transparent")
def transparent(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    picture = np.full((*at.shape, 4), 255 * random.integers(2), np.uint8)
    picture[..., 3] = screen(255 * at.ink)
    return picture


@kind("canvas with a border")
def bordered(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random, (0.35, 0.65))
    inset, width = round(at.size * any_of(random, 0.02, 0.12)), max(1, round(at.size * any_of(random, 0.01, 0.04)))
    image = Image.new("L", at.shape[::-1], random.integers(225, 256).item())
    edges = inset, inset, at.shape[1] - inset - 1, at.shape[0] - inset - 1
    ImageDraw.Draw(image).rectangle(edges, fill=255, outline=random.integers(0, 90).item(), width=width)
    return screen(over(np.asarray(image, np.float32), at.ink, any_of(random, 0, 40)))


@kind("black canvas on a white page")
def on_page(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random, (0.25, 0.45), stray=0.15)
    left, top, right, bottom = around(at, random, 0.1, 0.35)
    image = Image.new("L", at.shape[::-1], 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, right, bottom), fill=0)
    font = ImageFont.load_default(max(10, at.size / 8))
    draw.text((left, top - at.size / 20), "Draw a digit", fill=40, font=font, anchor="ls")
    return screen(over(np.asarray(image, np.float32), at.ink, 255))


@kind("black in a white frame")
def framed(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random, (0.4, 0.7))
    width = max(2, round(min(at.shape) * any_of(random, 0.015, 0.04)))
    level = np.full(at.shape, 255, np.float32)
    level[width:-width, width:-width] = any_of(random, 0, 20)
    return screen(over(level, at.ink, 255))


class Colours(NamedTuple):
    """Of a window, as Pillow knows them."""

    behind: str
    bar: str
    title: str
    tools: str
    edge: str
    text: str
    canvas: str
    ink: float


LIGHT = Colours("#e1e6ec", "#3c5f96", "white", "#f0f0f0", "#787a80", "#1e1e1e", "white", 0)
DARK = Colours("#0c0c0e", "#3e4046", "#ebebeb", "#2c2d32", "#96989e", "#e6e6e6", "#141416", 245)
LIGHTS = "#50c85a", "#f0be3c", "#e65046"
PALETTE = "#dc2828", "#f0961e", "#f5dc3c", "#3caa46", "#326edc", "#8c46b4"


@kind("light window", colours=LIGHT)
@kind("dark window", colours=DARK)
def window(ink: np.ndarray, random: Generator, colours: Colours) -> np.ndarray:
    """A title and three buttons, colours to choose from, the canvas, and two buttons below."""
    at = sheet(ink, random, (0.3, 0.45), stray=0.15, least=260)
    height, width = at.shape
    row, margin = min(at.size * any_of(random, 0.16, 0.25), at.top / 2.7), min(at.shape) * any_of(random, 0, 0.04)
    image = Image.new("RGB", (width, height), colours.behind)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(0.5 * row)
    left, top, right, bottom = margin, margin, width - margin, height - margin
    draw.rectangle((left, top, right, bottom), fill=colours.tools, outline=colours.edge)
    draw.rectangle((left, top, right, top + row), fill=colours.bar)
    draw.text((left + row / 3, top + row / 2), "Untitled - Paint", fill=colours.title, font=font, anchor="lm")
    for number, colour in enumerate(LIGHTS):
        draw.circle((right - row * (0.6 + 0.7 * (2 - number)), top + row / 2), row / 5, fill=colour)
    for number, colour in enumerate(PALETTE):
        place = left + row * (0.4 + 0.9 * number), top + 1.2 * row, left + row * (1 + 0.9 * number), top + 1.8 * row
        draw.rectangle(place, fill=colour, outline=colours.text)
    low = bottom - 1.4 * row
    draw.rectangle((left + row / 4, top + 2 * row, right - row / 4, low), fill=colours.canvas, outline=colours.edge)
    for number, words in enumerate(("Clear", "Read")):
        x = left + row * (0.3 + 2.6 * number)
        draw.rounded_rectangle((x, low + row / 4, x + 2.3 * row, bottom - row / 4), row / 6, outline=colours.text)
        draw.text((x + 1.15 * row, (low + bottom) / 2), words, fill=colours.text, font=font, anchor="mm")
    return screen(over(np.asarray(image, np.float32), at.ink, colours.ink))
