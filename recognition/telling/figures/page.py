"""What every figure is made of: a page laid out in inches for a text column of `WIDTH`, its pictures in whole numbers
of dots at `DPI`, and `save`. Grey carries the meaning and colour only repeats it.

A place is (left, top, width, height) in inches from the page's top left corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image

from recognition.base.files import write_png

Numbers = Sequence[float] | np.ndarray
Place = tuple[float, float, float, float]

WIDTH = 6.5  # inches
DPI = 200
SMALL, NORMAL = 6.5, 7.5  # points
INK, PALE, ACCENT = "0.1", "0.55", "#8c2d04"  # the accent is as dark as ink in grey
MARGIN = 0.05  # inches around every page, so that no line is cut at its edge

STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib brings it along
    "font.size": NORMAL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.3,
    "ytick.minor.width": 0.3,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}
# A fresh context at every call: matplotlib's own defaults plus STYLE, whatever the user's matplotlibrc; undone after.
styled = matplotlib.style.context(STYLE, after_reset=True)


@styled
def save(figure: Figure, path: Path) -> None:
    """Write `figure` as a PNG: the same bytes wherever the same libraries run, with no date or version inside.

    Fifty-two levels a channel are plenty for print.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = picture.point([5 * round(level / 5) for level in range(256)] * 3)
    picture = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    write_png(path, picture, dpi=(DPI, DPI))


def new_page(height: float, width: float = WIDTH) -> Figure:
    return Figure(figsize=(width + 2 * MARGIN, height + 2 * MARGIN), dpi=DPI, facecolor="white")


def _fraction(figure: Figure, x: float, y: float) -> tuple[float, float]:
    width, height = figure.get_size_inches()
    return (x + MARGIN) / width, 1 - (y + MARGIN) / height


def add_axes(figure: Figure, place: Place, **settings) -> Axes:
    left, top, width, height = place
    x, y = _fraction(figure, left, top + height)
    page_width, page_height = figure.get_size_inches()
    return figure.add_axes((x, y, width / page_width, height / page_height), **settings)


def write(figure: Figure, x: float, y: float, text: object, **settings) -> None:
    figure.text(*_fraction(figure, x, y), str(text), parse_math=False, **settings)


def add_picture(figure: Figure, place: Place, image: np.ndarray, heavy: bool = False, **settings: Any) -> Axes:
    axes = add_axes(figure, place, xticks=[], yticks=[])
    settings.setdefault("cmap", "gray_r")
    axes.imshow(image, interpolation="nearest", **settings)
    axes.spines[:].set(visible=True, color=INK if heavy else PALE, linewidth=1.8 if heavy else 0.4)
    return axes


def sentence(text: str) -> Figure:
    """A page that says why there is nothing to see."""
    figure = new_page(0.5)
    write(figure, WIDTH / 2, 0.25, text, ha="center", va="center", wrap=True)
    return figure


def percent(probability: float) -> str:
    if probability >= 0.9995:  # 1, too: a table's six decimals have rounded it
        return ">99.9 %"
    return "<0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


def scale_by_ratio(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def label_ends(axes: Axes, ends: Sequence[float], names: Sequence[str], colors: Sequence[str]) -> None:
    """Write each curve's name at its right end, moved apart where two ends meet."""
    height = axes.get_window_extent().height * 72 / DPI  # points
    places = [axes.transData.transform((0, end))[1] for end in ends]
    places = [axes.transAxes.inverted().transform((0, place))[1] * height for place in places]
    order = np.argsort(places)
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + NORMAL * 1.3)
    for place, name, color in zip(places, names, colors, strict=True):
        y = place / height
        axes.annotate(name, (1, y), (5, 0), "axes fraction", "offset points", va="center", color=color)
