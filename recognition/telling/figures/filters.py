"""What the first layer looks for, and what it makes of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from recognition.telling.figures.page import SMALL, Place, add_axes, add_picture, new_page, styled, write
from recognition.telling.filters import CHANCE, Description

# Signed values: lightness rises all the way, so that grey keeps the sign; zero is the middle grey.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#0b1d4f", "#4a6590", "#9a9a9a", "#dcb58a", "#fff3dc"], N=101)


@styled
def first_layer(filters: np.ndarray, descriptions: Sequence[Description], chance: Sequence[float]) -> Figure:
    """Fig. 10: `filters` (K, k, k), numbered from 0, on one scale of lightness; below each its kind, the orientation
    that is drawn over it (a ring for a blob), and its match, 0 to 1, with "as noise" where its share of `chance`, as
    telling.filters.by_chance adjusts it, is not below CHANCE."""
    columns = 5 if len(filters) <= 20 else 9
    cell, pitch = (0.84, (1.14, 1.34)) if columns == 5 else (0.5, (0.65, 0.94))
    rows = math.ceil(len(filters) / columns)
    figure = new_page(rows * pitch[1] - 0.12)
    norm = _signed_norm(filters)
    for i, (weights, description, p) in enumerate(zip(filters, descriptions, chance, strict=True)):
        left, top = i % columns * pitch[0], i // columns * pitch[1]
        axes = add_picture(figure, (left, top, cell, cell), weights, cmap=SIGNED, norm=norm)
        _draw_contour(axes, len(weights), description)
        found = description.kind + (f" {round(description.orientation) % 180}°" if _oriented(description) else "")
        text = f"{i}: {found}\nmatch {description.match:.2f}" + ("\nas noise" if p >= CHANCE else "")
        write(figure, left, top + cell + 0.05, text, va="top", size=SMALL if columns == 5 else 5.5, linespacing=1.3)
    _colour_bar(figure, (columns * pitch[0] + 0.06, 0.15, 0.1, cell - 0.15), norm, "weight")
    return figure


@styled
def filtered_pictures(image: np.ndarray, filters: np.ndarray, responses: np.ndarray) -> Figure:
    """Fig. 11: one picture (H, W), and beside each of `filters` (K, k, k) its response to it, of `responses` (K, H, W).
    The filters share one scale, the responses another, both with zero in the middle grey."""
    columns, cell, small = (4, 0.84, 0.42) if len(filters) <= 20 else (8, 0.42, 0.2)  # 28 pixels of 6 or 3
    pitch = (1.45, 1.0) if columns == 4 else (0.74, 0.52)
    rows = math.ceil((len(filters) + 1) / columns)
    figure = new_page(0.12 + rows * pitch[1] - (pitch[1] - cell))
    weights_norm, norm = _signed_norm(filters), _signed_norm(responses)
    add_picture(figure, (small + 0.06, 0.12, cell, cell), image)
    write(figure, small + 0.06, 0.08, "picture", va="bottom", size=SMALL)
    for i, (weights, response) in enumerate(zip(filters, responses, strict=True)):
        left, top = (i + 1) % columns * pitch[0], (i + 1) // columns * pitch[1] + 0.12
        write(figure, left, top, i, va="top", size=SMALL)
        add_picture(figure, (left, top + cell - small, small, small), weights, cmap=SIGNED, norm=weights_norm)
        add_picture(figure, (left + small + 0.06, top, cell, cell), response, cmap=SIGNED, norm=norm)
    _colour_bar(figure, (columns * pitch[0] + 0.05, 0.12, 0.1, cell), norm, "response")
    return figure


def _signed_norm(values: np.ndarray) -> Normalize:
    largest = float(np.abs(values).max()) or 1.0
    return Normalize(-largest, largest)


def _colour_bar(figure: Figure, place: Place, norm: Normalize, label: str) -> None:
    most = norm.vmax or 1.0
    bar = figure.colorbar(ScalarMappable(norm, SIGNED), cax=add_axes(figure, place), ticks=[-most, 0, most])
    largest = f"{most:.2g}" if most < 100 else f"{most:.0f}"
    bar.ax.set_yticklabels([f"−{largest}", "0", largest])
    bar.ax.tick_params(length=2, pad=2)
    bar.outline.set_linewidth(0.3)
    bar.ax.set_title(label, size=SMALL, loc="left", pad=5)


def _oriented(description: Description) -> bool:
    return description.kind in ("edge", "line")


def _draw_contour(axes: Axes, k: int, description: Description) -> None:
    """Over a filter drawn by imshow (rows downwards): a line in its orientation, or a ring for a blob."""
    middle, radius = (k - 1) / 2, 0.42 * k
    stroke = {"color": "black", "linewidth": 0.6, "path_effects": [withStroke(linewidth=1.6, foreground="white")]}
    if _oriented(description):
        angle = math.radians(description.orientation)
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        axes.plot([middle - x, middle + x], [middle + y, middle - y], **stroke)
    elif description.kind == "blob":
        axes.add_patch(Circle((middle, middle), 0.6 * radius, fill=False, **stroke))
