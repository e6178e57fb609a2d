"""Networks as drawings, printouts and tables. They know a network by the records of its layers, not by torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from recognition.telling.figures.page import INK, NORMAL, PALE, SMALL, WIDTH, add_axes, new_page, styled, write

if TYPE_CHECKING:
    from recognition.networks.describe import Layer  # a record; networks imports torch, and figures do not


@styled
def printouts(texts: Sequence[str]) -> Figure:
    """Fig. 3: what Python prints of each network, one below the other."""
    rows, line = "\n\n".join(texts).splitlines(), 0.125
    figure = new_page(len(rows) * line)
    size = min(NORMAL, 72 * WIDTH / (0.61 * max(map(len, rows))))  # a character is 0.6 of the size wide
    for i, words in enumerate(rows):
        write(figure, 0, i * line, words, va="top", size=size, family="DejaVu Sans Mono")
    return figure


@styled
def drawing(layers: Sequence[Layer]) -> Figure:
    """Fig. 2: the network as its feature maps (stacks of sheets: side in scale, depth as the root of their number) and
    vectors (bars), with an arrow for each operation between them. Operations that have no weights and keep the number
    of values stand under the arrow into what they keep."""
    steps: list[tuple[Layer, list[Layer]]] = []  # a layer that makes values, and those that keep their number
    for layer in layers:
        if steps and layer.parameters == 0 and math.prod(layer.shape) == math.prod(steps[-1][0].shape):
            steps[-1][1].append(layer)
        else:
            steps.append((layer, []))

    arrows = [_arrow_label(layer, kept) for layer, kept in steps[1:]]
    gaps = [0, *(0.2 + 0.045 * max(map(len, above + below)) for above, below in arrows)]  # inches
    scale = _drawing_scale([step.shape for step, _ in steps], WIDTH - 0.3 - sum(gaps))
    sizes = [scale * np.array(_block_size(step.shape)) for step, _ in steps]
    height = max(0.85, *(size[1] for size in sizes)) + 0.16  # room for the arrows' labels, and for the shapes below
    figure = new_page(height)
    paper = add_axes(figure, (0, 0, WIDTH, height), xlim=(0, WIDTH), ylim=(height, 0))
    paper.set_axis_off()
    axis = (height - 0.16) / 2  # all are centred on it
    left = (WIDTH - sum(size[0] for size in sizes) - sum(gaps)) / 2
    for i, ((layer, _), (width, _), gap) in enumerate(zip(steps, sizes, gaps, strict=True)):
        if i > 0:
            _arrow(paper, left, left + gap, axis, *arrows[i - 1])
        left += gap
        _block(paper, layer.shape, left, axis, scale)
        paper.text(left + width / 2, height, "×".join(map(str, layer.shape)), ha="center", va="bottom", size=SMALL)
        left += width
    return figure


@styled
def layer_sizes(layers: Sequence[Layer]) -> Figure:
    """Fig. 4: a row for each layer: a bar for the number of values that it puts out, with shape and parameters."""
    pitch, top = 0.19, 0.2
    figure = new_page(top + pitch * (len(layers) + 1))
    columns = {"layer": 0.0, "shape": 2.75, "values": 3.3, "parameters": WIDTH}  # the bars stand after "values"
    for title, x in columns.items():
        write(figure, x, 0, title, ha="left" if x == 0 else "right", va="top", size=SMALL, color="0.35")
    bars = add_axes(figure, (3.42, top, 2.2, pitch * len(layers)), ylim=(len(layers) - 0.5, -0.5))
    bars.set_axis_off()
    values = [math.prod(layer.shape) for layer in layers]
    bars.barh(range(len(layers)), values, height=0.62, color=PALE)
    bars.set_xlim(0, max(values))
    bars.axvline(0, color=INK, linewidth=0.5)
    for i, (layer, count) in enumerate(zip(layers, values, strict=True)):
        y = top + (i + 0.5) * pitch
        write(figure, columns["layer"], y, layer.name, va="center")
        if layer.kind != layer.name:
            write(figure, 0.72, y, layer.kind, va="center")
        write(figure, columns["shape"], y, "×".join(map(str, layer.shape)), ha="right", va="center")
        write(figure, columns["values"], y, f"{count:,}", ha="right", va="center")
        weights = f"{layer.parameters:,}" if layer.parameters else "–"
        write(figure, columns["parameters"], y, weights, ha="right", va="center")
    y = top + (len(layers) + 0.6) * pitch
    total = f"{sum(layer.parameters for layer in layers):,} in all"
    write(figure, columns["parameters"], y, total, ha="right", va="center")
    return figure


def _arrow_label(layer: Layer, kept: Sequence[Layer]) -> tuple[list[str], list[str]]:
    """The lines above an arrow (name if it has weights, operation, its size) and below it."""

    def broken(kind: str) -> list[str]:  # "max pool 2×2" in two lines
        words, _, size = kind.rpartition(" ")
        return [words, size] if size[:1].isdigit() else [kind]

    name = [layer.name] if layer.parameters else []
    return [*name, *broken(layer.kind)], [line for one in kept for line in broken(one.kind)]


def _drawing_scale(shapes: Sequence[tuple[int, ...]], room: float) -> float:
    """Inches per pixel of a feature map: as many as fit, the blocks being `room` wide in all and 1.2 inches high."""
    sizes = np.array([_block_size(shape) for shape in shapes])
    return min(room / sizes[:, 0].sum(), 1.2 / sizes[:, 1].max(), 0.03)


def _block_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height of a layer's output in the drawing, in pixels of a feature map."""
    if len(shape) == 1:
        return 4.0, 3.0 * math.sqrt(shape[0])
    channels, height, width = shape
    depth = 2.5 * math.sqrt(channels - 1)
    return width + depth, height + depth


def _block(paper: Axes, shape: tuple[int, ...], left: float, middle: float, scale: float) -> None:
    """Draw one layer's output, on axes in inches that count downwards."""
    width, height = (scale * side for side in _block_size(shape))
    if len(shape) == 1:
        cells = shape[0] if shape[0] <= 30 else 1  # finer ones would run together
        for top in np.linspace(middle - height / 2, middle + height / 2, cells, endpoint=False):
            paper.add_patch(
                Rectangle((left, top), width, height / cells, facecolor="0.9", edgecolor=INK, linewidth=0.4)
            )
        return
    sheet_width, sheet_height = scale * shape[2], scale * shape[1]
    depth, bottom = width - sheet_width, middle + height / 2
    for back in np.linspace(depth, 0, min(shape[0], 1 + int(depth / 0.012))):  # the farthest first
        corner = (left + back, bottom - back - sheet_height)
        edge = INK if back == 0 else PALE
        paper.add_patch(Rectangle(corner, sheet_width, sheet_height, facecolor="white", edgecolor=edge, linewidth=0.5))


def _arrow(paper: Axes, start: float, end: float, y: float, above: Sequence[str], below: Sequence[str]) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 5, "linewidth": 0.6, "color": INK, "shrinkA": 0, "shrinkB": 0}
    paper.add_patch(FancyArrowPatch((start + 0.05, y), (end - 0.05, y), **style))
    text = {"ha": "center", "size": 6, "linespacing": 1.1}
    paper.text((start + end) / 2, y - 0.05, "\n".join(above), va="bottom", **text)
    paper.text((start + end) / 2, y + 0.06, "\n".join(below), va="top", **text)
