"""The study's figures: each a function from plain arrays and rows to a matplotlib Figure, and `save`.

Never imports torch. Every figure is laid out in inches for a text column of `WIDTH`, its pictures in whole numbers of
dots at `DPI`. Grey carries the meaning and colour only repeats it. Data set pictures are (H, W) arrays of any range in
which low is paper and high is ink, and are shown that way.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image

from recognition.base.files import write_png
from recognition.telling.filters import Description

if TYPE_CHECKING:
    from recognition.networks import Layer  # a record; networks imports torch, and figures do not

Numbers = Sequence[float] | np.ndarray

WIDTH = 6.5  # inches
DPI = 200
SMALL, NORMAL = 6.5, 7.5  # points
INK, PALE, ACCENT = "0.1", "0.55", "#8c2d04"  # the accent is as dark as ink in grey

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
_styled = matplotlib.style.context(STYLE, after_reset=True)

# Signed values: lightness rises all the way, so that grey keeps the sign; zero is the middle grey.
SIGNED = LinearSegmentedColormap.from_list("signed", ["#0b1d4f", "#4a6590", "#9a9a9a", "#dcb58a", "#fff3dc"], N=101)


@_styled
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


@_styled
def first_digits(images: np.ndarray, labels: Sequence[object]) -> Figure:
    """Fig. 1: the first pictures of a test set, `images` (n, H, W), in rows of six, each above its label."""
    columns, cell = 6, 0.98  # 28 pixels of 7
    rows = max(1, math.ceil(len(images) / columns))
    pitch = (WIDTH - cell) / (columns - 1)
    figure = _page(rows * 1.24)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = i % columns * pitch, i // columns * 1.24
        _picture(figure, (left, top, cell, cell), image)
        _write(figure, left + cell / 2, top + cell + 0.05, label, ha="center", va="top", size=NORMAL + 1)
    return figure


@_styled
def predictions(images: np.ndarray, predicted: Sequence, true: Sequence, probability: Numbers) -> Figure:
    """Fig. 6: `images` (n, H, W) in rows of three, each with its reading, the reading's probability (0 to 1) and, where
    the reading is wrong, a heavy frame and the truth. `predicted` and `true` are compared, so of one type."""
    columns, cell, pitch = 3, 1.12, (2.2, 1.32)  # 28 pixels of 8
    rows = max(1, math.ceil(len(images) / columns))
    figure = _page(rows * pitch[1] - 0.2)
    for i, (image, reading, truth, p) in enumerate(zip(images, predicted, true, probability, strict=True)):
        left, top = i % columns * pitch[0], i // columns * pitch[1]
        wrong = reading != truth
        _picture(figure, (left, top, cell, cell), image, heavy=wrong)
        _write(figure, left + cell + 0.08, top, f"✗ {reading}" if wrong else reading, va="top", size=11)
        below = f"{_percent(p)}\nis {truth}" if wrong else _percent(p)
        _write(figure, left + cell + 0.08, top + 0.24, below, va="top", linespacing=1.5)
    return figure


MOST_SHOWN = 50


def shown(labels: Sequence[str], predicted: Sequence[str]) -> list[int]:
    """Which pictures `handwriting` shows: all, or of more than MOST_SHOWN the wrong ones first, and the rest not."""
    wrong = [label not in ("", reading) for reading, label in zip(predicted, labels, strict=True)]
    everything = range(len(wrong))
    return list(everything) if len(wrong) <= MOST_SHOWN else sorted(everything, key=lambda i: not wrong[i])[:MOST_SHOWN]


@_styled
def handwriting(
    pictures: dict[int, tuple[np.ndarray, np.ndarray]],
    labels: Sequence[str],
    predicted: Sequence[str],
    probability: Numbers,
    none: str,
) -> Figure:
    """Fig. 8: the user's pictures in rows of ten: the photograph (uint8, any size, shown as it is), what the network
    sees of it (28, 28), its reading with the probability (0 to 1), and the truth beneath a wrong one, which is framed.
    A picture without a label ("") is shown and not counted.

    `pictures` holds photograph and (28, 28) of those that are `shown`, by their place; the first line says how many are
    not. Without any the page is the sentence `none`.
    """
    n = len(labels)
    if n == 0:
        return _sentence(none)
    wrong = [label not in ("", reading) for reading, label in zip(predicted, labels, strict=True)]
    labelled = sum(label != "" for label in labels)
    caption = f"{labelled - sum(wrong)} of {labelled} read correctly"
    if n > labelled:
        caption += f"; {n - labelled} without a label"
    if n > len(pictures):
        caption += f"; {len(pictures)} shown" + (", wrong ones first" if any(wrong) else "")
    columns, cell, top = 10, 0.56, 0.22  # 28 pixels of 4
    pitch, height = (WIDTH - cell) / (columns - 1), 1.7
    figure = _page(top + math.ceil(len(pictures) / columns) * height - 0.12)
    _write(figure, 0, 0, caption, va="top")
    for place, (i, (photo, prepared)) in enumerate(pictures.items()):
        left, upper = place % columns * pitch, top + place // columns * height
        _photograph(figure, (left, upper, cell, cell), photo)
        _picture(figure, (left, upper + cell + 0.06, cell, cell), prepared, heavy=wrong[i])
        lines = [f"✗ {predicted[i]}" if wrong[i] else predicted[i], _percent(probability[i])]
        lines += [f"is {labels[i]}"] if wrong[i] else []
        _write(figure, left + cell / 2, upper + 2 * cell + 0.11, "\n".join(lines), ha="center", va="top", size=SMALL)
    return figure


@_styled
def printouts(texts: Sequence[str]) -> Figure:
    """Fig. 3: what Python prints of each network, one below the other."""
    rows, line = "\n\n".join(texts).splitlines(), 0.125
    figure = _page(len(rows) * line)
    size = min(NORMAL, 72 * WIDTH / (0.61 * max(map(len, rows))))  # a character is 0.6 of the size wide
    for i, words in enumerate(rows):
        _write(figure, 0, i * line, words, va="top", size=size, family="DejaVu Sans Mono")
    return figure


@_styled
def training_curve(steps: tuple[np.ndarray, np.ndarray], epochs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Figure:
    """Fig. 5: loss (nats) and, below, held-out error rate against the number of training examples seen.

    `steps` are the arrays (examples, training loss), `epochs` the arrays (examples, held-out loss, held-out error rate
    from 0 to 1).
    """
    seen, training_loss = (np.asarray(values, dtype=float) for values in steps)
    seen_held, held_loss, held_error = (np.asarray(values, dtype=float) for values in epochs)
    figure = _page(3.7)
    upper = _axes(figure, (0.55, 0.1, 4.95, 2.05))
    lower = _axes(figure, (0.55, 2.35, 4.95, 0.9), sharex=upper)
    held = {"color": ACCENT, "linewidth": 1.0, "marker": "o", "markersize": 3, "clip_on": False}
    upper.plot(seen, training_loss, color=PALE, linewidth=0.8)
    upper.plot(seen_held, held_loss, **held)
    upper.set_ylabel("loss (nats)")
    _scale_by_ratio(upper)
    upper.tick_params(labelbottom=False)
    lower.plot(seen_held, 100 * held_error, **held)
    lower.set(xlabel="training examples seen", ylabel="error rate (%)", xlim=(0, max([1, *seen, *seen_held])))
    if np.all(held_error > 0):
        _scale_by_ratio(lower)
    else:
        lower.set_ylim(bottom=0)
    lower.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.align_ylabels()

    ends = [float(np.median(training_loss[-max(1, len(training_loss) // 10) :])), held_loss[-1]]
    _label_ends(upper, ends, ["training", f"held out {held_loss[-1]:.3f}"], ["0.35", ACCENT])
    _label_ends(lower, [100 * held_error[-1]], [f"held out {100 * held_error[-1]:.2f} %"], [ACCENT])
    return figure


@_styled
def network_drawing(layers: Sequence[Layer]) -> Figure:
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
    figure = _page(height)
    paper = _axes(figure, (0, 0, WIDTH, height), xlim=(0, WIDTH), ylim=(height, 0))
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


@_styled
def layer_sizes(layers: Sequence[Layer]) -> Figure:
    """Fig. 4: a row for each layer: a bar for the number of values that it puts out, with shape and parameters."""
    pitch, top = 0.19, 0.2
    figure = _page(top + pitch * (len(layers) + 1))
    columns = {"layer": 0.0, "shape": 2.75, "values": 3.3, "parameters": WIDTH}  # the bars stand after "values"
    for title, x in columns.items():
        _write(figure, x, 0, title, ha="left" if x == 0 else "right", va="top", size=SMALL, color="0.35")
    bars = _axes(figure, (3.42, top, 2.2, pitch * len(layers)), ylim=(len(layers) - 0.5, -0.5))
    bars.set_axis_off()
    values = [math.prod(layer.shape) for layer in layers]
    bars.barh(range(len(layers)), values, height=0.62, color=PALE)
    bars.set_xlim(0, max(values))
    bars.axvline(0, color=INK, linewidth=0.5)
    for i, (layer, count) in enumerate(zip(layers, values, strict=True)):
        y = top + (i + 0.5) * pitch
        _write(figure, columns["layer"], y, layer.name, va="center")
        if layer.kind != layer.name:
            _write(figure, 0.72, y, layer.kind, va="center")
        _write(figure, columns["shape"], y, "×".join(map(str, layer.shape)), ha="right", va="center")
        _write(figure, columns["values"], y, f"{count:,}", ha="right", va="center")
        weights = f"{layer.parameters:,}" if layer.parameters else "–"
        _write(figure, columns["parameters"], y, weights, ha="right", va="center")
    y = top + (len(layers) + 0.6) * pitch
    total = f"{sum(layer.parameters for layer in layers):,} in all"
    _write(figure, columns["parameters"], y, total, ha="right", va="center")
    return figure


@_styled
def first_layer_filters(filters: np.ndarray, descriptions: Sequence[Description], chance: Sequence[float]) -> Figure:
    """Fig. 10: `filters` (K, k, k), numbered from 0, on one scale of lightness; below each its kind, the orientation
    that is drawn over it (a ring for a blob), and its match, 0 to 1, with "as noise" where its `chance` is over 5 %."""
    columns = 5 if len(filters) <= 20 else 9
    cell, pitch = (0.84, (1.14, 1.34)) if columns == 5 else (0.5, (0.65, 0.94))
    rows = math.ceil(len(filters) / columns)
    figure = _page(rows * pitch[1] - 0.12)
    norm = _signed_norm(filters)
    for i, (weights, description, p) in enumerate(zip(filters, descriptions, chance, strict=True)):
        left, top = i % columns * pitch[0], i // columns * pitch[1]
        axes = _picture(figure, (left, top, cell, cell), weights, cmap=SIGNED, norm=norm)
        _draw_contour(axes, len(weights), description)
        found = description.kind + (f" {round(description.orientation) % 180}°" if _oriented(description) else "")
        text = f"{i}: {found}\nmatch {description.match:.2f}" + ("\nas noise" if p > 0.05 else "")
        _write(figure, left, top + cell + 0.05, text, va="top", size=SMALL if columns == 5 else 5.5, linespacing=1.3)
    _colour_bar(figure, (columns * pitch[0] + 0.06, 0.15, 0.1, cell - 0.15), norm, "weight")
    return figure


@_styled
def filtered_pictures(image: np.ndarray, filters: np.ndarray, responses: np.ndarray) -> Figure:
    """Fig. 11: one picture (H, W), and beside each of `filters` (K, k, k) its response to it, of `responses` (K, H, W).
    The filters share one scale, the responses another, both with zero in the middle grey."""
    columns, cell, small = (4, 0.84, 0.42) if len(filters) <= 20 else (8, 0.42, 0.2)  # 28 pixels of 6 or 3
    pitch = (1.45, 1.0) if columns == 4 else (0.74, 0.52)
    rows = math.ceil((len(filters) + 1) / columns)
    figure = _page(0.12 + rows * pitch[1] - (pitch[1] - cell))
    weights_norm, norm = _signed_norm(filters), _signed_norm(responses)
    _picture(figure, (small + 0.06, 0.12, cell, cell), image)
    _write(figure, small + 0.06, 0.08, "picture", va="bottom", size=SMALL)
    for i, (weights, response) in enumerate(zip(filters, responses, strict=True)):
        left, top = (i + 1) % columns * pitch[0], (i + 1) // columns * pitch[1] + 0.12
        _write(figure, left, top, i, va="top", size=SMALL)
        _picture(figure, (left, top + cell - small, small, small), weights, cmap=SIGNED, norm=weights_norm)
        _picture(figure, (left + small + 0.06, top, cell, cell), response, cmap=SIGNED, norm=norm)
    _colour_bar(figure, (columns * pitch[0] + 0.05, 0.12, 0.1, cell), norm, "response")
    return figure


@_styled
def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """The confusion matrix (K, K) of counts: rows are true, columns are read; the right side is each class's accuracy.

    Errors are shaded by the logarithm of their count, so that a single one shows; zeros are left out.
    """
    k = len(classes)
    cell = min(0.42, 4.6 / k)
    size = NORMAL if cell > 0.3 else 5.5 if cell > 0.18 else 4
    longest = 0.0105 * size * max(map(len, classes))  # inches
    left, top = longest + 0.28, 0.18 + (longest if longest > cell else 0.14)
    figure = _page(top + k * cell + 0.25, width=left + k * cell + 1.1)
    axes = _axes(figure, (left, top, k * cell, k * cell), xlim=(0, k), ylim=(k, 0))
    matrix = np.asarray(matrix)
    errors = np.where(np.eye(k, dtype=bool), 0, matrix)
    shade = np.log1p(errors) / np.log1p(max(errors.max(), 1))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        dark = 0 if row == column else 0.05 + 0.6 * shade[row, column]
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=str(round(1 - dark, 3)), edgecolor="none"))
        style = {"weight": "bold" if row == column else "normal", "color": "white" if dark > 0.5 else INK}
        count = str(matrix[row, column])
        axes.text(column + 0.5, row + 0.5, count, ha="center", va="center", size=size, **style)
    for i in range(k):
        axes.add_patch(Rectangle((i, i), 1, 1, fill=False, edgecolor=INK, linewidth=0.6))
    axes.set_xticks(np.arange(k) + 0.5, classes, rotation=90 if longest > cell else 0)
    axes.set_yticks(np.arange(k) + 0.5, classes)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2, labelsize=size)
    axes.spines[:].set(visible=True, linewidth=0.3, color=PALE)
    _write(figure, left + k * cell / 2, 0, "read as", ha="center", va="top")
    _write(figure, 0, top + k * cell / 2, "true", va="center", rotation=90)

    x, size = left + k * cell + 0.1, max(size, 5.5)
    _write(figure, x, top - 0.05, "accuracy (%)", va="bottom", size=SMALL)
    rows = [(i + 0.5) * cell for i in range(k)]
    correct, total = np.diag(matrix), matrix.sum(axis=1)
    for y, right, n in zip([*rows, k * cell + 0.14], [*correct, correct.sum()], [*total, total.sum()], strict=True):
        _write(figure, x + 0.36, top + y, f"{100 * right / n:.1f}" if n else "–", ha="right", va="center", size=size)
        _write(figure, x + 0.44, top + y, f"of {n:,}", va="center", size=size)
    _write(figure, left - 0.05, top + k * cell + 0.14, "all", ha="right", va="center", size=size)
    return figure


LETTER_COLUMNS = 20


@_styled
def letter_samples(
    pictures: np.ndarray,
    names: Sequence[str],
    writers: Sequence[str],
    held_out: Sequence[bool],
    symbols: Mapping[str, str],
) -> Figure:
    """The letters as a network sees them: `pictures` (n, 28, 28) uint8, each with its letter's name, its writer (""
    where unknown) and whether it is held out. A row a letter, in the order of `symbols` (name to sign), at most
    LETTER_COLUMNS of each, evenly chosen. A writer is a number below the picture; what is held out stands on grey."""
    order = sorted(range(len(names)), key=lambda i: (held_out[i], writers[i]))
    rows = {name: found for name in symbols if (found := [i for i in order if names[i] == name])}
    if not rows:
        return _sentence("There are no letters.")
    numbers = {writer: n for n, writer in enumerate(dict.fromkeys(writers[i] for i in order if writers[i]), 1)}
    most = max(map(len, rows.values()))
    legend = f"{len(names):,} pictures; on grey: held out"
    if most > LETTER_COLUMNS:
        legend += f"; {LETTER_COLUMNS} of a letter shown, of up to {most}"
    lines = [legend, *textwrap.wrap("   ".join(f"{n} {writer}" for writer, n in numbers.items()), 130, max_lines=4)]
    dots = _card(pictures[0], False).shape
    cell, left, line, pitch = dots[0] / DPI, 0.64, 0.12, (dots[1] / DPI, 0.37)
    top = line * len(lines) + 0.06
    figure = _page(top + len(rows) * pitch[1])
    for k, text in enumerate(lines):
        _write(figure, 0, k * line, text, va="top", size=SMALL)
    for k, (name, row) in enumerate(rows.items()):
        y = top + k * pitch[1]
        _write(figure, 0, y + cell / 2, f"{symbols[name]}  {name}", va="center")
        chosen = [row[place] for place in np.unique(np.linspace(0, len(row) - 1, LETTER_COLUMNS).round().astype(int))]
        strip = np.concatenate([_card(pictures[i], held_out[i]) for i in chosen], axis=1)
        height, width = strip.shape
        _picture(figure, (left, y, width / DPI, height / DPI), strip, vmin=0, vmax=255).set_axis_off()
        for column, i in enumerate(chosen):
            x = left + (column + 0.5) * pitch[0]
            _write(figure, x, y + cell + 0.01, numbers.get(writers[i], ""), ha="center", va="top", size=4.5)
    return figure


def _card(picture: np.ndarray, grey: bool) -> np.ndarray:
    """A picture (H, W) of ink, 0 to 255, on white or grey paper, two dots a pixel, with a thin frame."""
    card = np.maximum(picture, 45 if grey else 0).repeat(2, axis=0).repeat(2, axis=1)
    return np.pad(card, 1, constant_values=110)


FLOOR = 1e-4  # nats: below it a loss differs in what no one can see


class Curve(NamedTuple):
    """How one way of training went, epoch by epoch; what was not measured is nan."""

    examples: np.ndarray  # training pictures seen
    train_loss: np.ndarray  # nats
    train_accuracy: np.ndarray  # 0 to 1
    held_out_loss: np.ndarray
    held_out_accuracy: np.ndarray


@_styled
def finetuning_curves(ways: dict[str, Curve]) -> Figure:
    """Fig. 13: loss and, below, accuracy against the number of training pictures seen, of two ways of training in one
    picture: the first dashed, the second solid; held out in colour with dots, training pale. A ring marks where the
    training letters are first all right. Losses below FLOOR are drawn there."""
    figure = _page(4.3)
    upper = _axes(figure, (0.55, 0.47, 5.9, 2.1))
    lower = _axes(figure, (0.55, 2.77, 5.9, 1.1), sharex=upper)
    legend = []
    for (way, curve), style in zip(ways.items(), ("--", "-"), strict=True):
        first = int(np.argmax(curve.train_accuracy == 1)) if np.any(curve.train_accuracy == 1) else None
        held_loss, held_accuracy = curve.held_out_loss[-1], curve.held_out_accuracy[-1]
        text = f"{'dashed' if style == '--' else 'solid'}: {way}, "
        after = f"after {curve.examples[first]:,.0f} pictures" if first is not None else "at any time"
        text += f"{'' if first is not None else 'not '}all training letters right {after}"
        text += (
            f"; held out {100 * held_accuracy:.1f} %, loss {f'{held_loss:.3f}' if held_loss >= 0.0005 else '<0.001'}"
            if np.isfinite(held_loss)
            else ""
        )
        legend.append(text)
        pale = {"color": PALE, "linewidth": 0.8, "linestyle": style}
        held = {"color": ACCENT, "linewidth": 1.0, "linestyle": style, "marker": "o", "markersize": 2}
        upper.plot(curve.examples, np.maximum(curve.train_loss, FLOOR), **pale)
        lower.plot(curve.examples, 100 * curve.train_accuracy, **pale)
        if np.isfinite(curve.held_out_loss).all():
            upper.plot(curve.examples, np.maximum(curve.held_out_loss, FLOOR), **held, clip_on=False)
            lower.plot(curve.examples, 100 * curve.held_out_accuracy, **held, clip_on=False)
        if first is not None:
            ring = {
                "marker": "o",
                "markersize": 7,
                "fillstyle": "none",
                "color": INK,
                "linestyle": "",
                "clip_on": False,
            }
            lower.plot([curve.examples[first]], [100], **ring)
    legend.append(
        f"dots: held out; pale: training; ring: all training letters right; losses below {FLOOR:g} drawn there"
    )
    for k, text in enumerate(legend):
        _write(figure, 0, k * 0.115, text, va="top", size=SMALL)
    upper.set(xscale="log", ylabel="loss (nats)", ylim=(FLOOR, None))
    _scale_by_ratio(upper)
    upper.yaxis.set_major_locator(LogLocator(numticks=8))
    upper.tick_params(labelbottom=False)
    lower.set(xlabel="training pictures seen", ylabel="accuracy (%)")
    lower.set_ylim(top=101)
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.align_ylabels()
    return figure


@_styled
def letter_predictions(
    images: np.ndarray, true: Sequence[str], ways: dict[str, tuple[Sequence[str], Numbers]]
) -> Figure:
    """Fig. 13: held-out letters, `images` (n, 28, 28), each with its name and beneath it what each way reads and the
    reading's probability (0 to 1); a wrong one is crossed, and a picture that our way, the last, misreads is framed.

    Of more than 24 those that some way reads wrong come first and the rest is left out; the first line says so."""
    n, most, columns = len(true), 24, 6
    if n == 0:
        return _sentence("No letters are held out.")
    right = {way: [r == t for r, t in zip(readings, true, strict=True)] for way, (readings, _) in ways.items()}
    order = sorted(range(n), key=lambda i: all(found[i] for found in right.values()))[:most] if n > most else range(n)
    caption = "; ".join(f"{way}: {sum(found)} of {n} right" for way, found in right.items())
    if n > most:
        caption += f"; {most} shown" + ("" if all(map(all, right.values())) else ", wrong ones first")
    cell, top, pitch = 0.7, 0.37, (WIDTH / columns, 1.16 + 0.12 * (len(ways) - 1))  # 28 pixels of 5
    figure = _page(top + math.ceil(len(order) / columns) * pitch[1] - 0.08)
    _write(figure, 0, 0, caption, va="top")
    _write(figure, 0, 0.13, f"below each: what it is, then what is read by {', then by '.join(ways)}", va="top")
    for place, i in enumerate(order):
        x, y = place % columns * pitch[0], top + place // columns * pitch[1]
        _picture(figure, (x, y, cell, cell), images[i], heavy=not list(right.values())[-1][i])
        lines = [f"{true[i]}"]
        for way, (readings, probability) in ways.items():
            mark = "" if right[way][i] else "✗ "
            lines.append(f"{mark}{readings[i]} {_percent(probability[i])}")
        _write(figure, x, y + cell + 0.05, "\n".join(lines), va="top", size=SMALL, linespacing=1.3)
    return figure


class Dimension(NamedTuple):
    """What one dimension of a sweep does to the accuracy."""

    name: str
    levels: Sequence[object]
    means: np.ndarray  # accuracy by level, 0 to 1, over all else
    threshold: float  # the difference that chance alone seldom exceeds; nan where it is not known
    hypothesis: str
    verdict: str


@_styled
def sweep(
    accuracies: dict[str, np.ndarray],
    kernel_sizes: Sequence[int],
    filters: Sequence[int],
    dimensions: Sequence[Dimension],
    noise: str,
) -> Figure:
    """Fig. 14: a map of each architecture's `accuracies` (kernel sizes, filters), 0 to 1, on one scale of grey, the
    best framed; below, the means of each of the three `dimensions`, with bars that do not overlap where two levels
    differ by more than chance, and what became of its hypothesis. The first line ends with `noise`."""
    values = np.stack(list(accuracies.values()))
    low, span = values.min(), np.ptp(values) or 1.0
    pitch, left = WIDTH / 3, 0.3
    cell = min(0.37, (pitch - left - 0.03) / len(filters)), 0.25
    size = min(SMALL, 72 * cell[0] / 3.6)  # five characters in a cell
    top, below = 0.48, 1.05
    height = cell[1] * len(kernel_sizes)
    figure = _page(top + height + 0.65 + below + 0.85)
    _write(figure, 0, 0, f"accuracy on the held-out pictures (%); the best is framed; {noise}", va="top", size=SMALL)
    for i, (name, grid) in enumerate(accuracies.items()):
        place = (left + i * pitch, top, cell[0] * len(filters), height)
        axes = _axes(figure, place, xlim=(0, len(filters)), ylim=(0, len(kernel_sizes)))
        for (row, column), value in np.ndenumerate(grid):
            dark = 0.65 * (value - low) / span
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=str(round(1 - dark, 3)), edgecolor="none"))
            color = "white" if dark > 0.45 else INK
            middle = (column + 0.5, row + 0.5)
            axes.text(*middle, f"{100 * value:.2f}", ha="center", va="center", size=size, color=color)
            if value == values.max():
                frame = {"fill": False, "edgecolor": ACCENT, "linewidth": 1.5, "clip_on": False, "zorder": 3}
                axes.add_patch(Rectangle((column, row), 1, 1, **frame))
        axes.set_xticks(np.arange(len(filters)) + 0.5, map(str, filters))
        axes.set_yticks(np.arange(len(kernel_sizes)) + 0.5, map(str, kernel_sizes))
        axes.tick_params(length=0, pad=2)
        axes.spines[:].set(visible=True, linewidth=0.3, color=PALE)
        _write(figure, place[0], top - 0.05, name, va="bottom")
        _write(figure, place[0] + place[2] / 2, top + height + 0.19, "filters", ha="center", va="top", size=SMALL)
    _write(figure, 0, top + height / 2, "kernel size", va="center", rotation=90, size=SMALL)

    top += height + 0.4
    words = "accuracy (%), mean over all else; two means whose bars do not overlap differ by more than chance"
    _write(figure, 0, top, words, va="top", size=SMALL)
    top += 0.25
    shared = None
    for i, dimension in enumerate(dimensions):
        x = left + i * pitch
        axes = shared = _axes(figure, (x, top, pitch - left - 0.1, below), sharey=shared)
        half = 0.0 if math.isnan(dimension.threshold) else 50 * dimension.threshold
        places = range(len(dimension.levels))
        axes.errorbar(places, 100 * dimension.means, half, color=INK, linewidth=0.8, marker="o", markersize=3)
        axes.set_xticks(places, map(str, dimension.levels))
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.tick_params(labelleft=i == 0)
        _write(figure, x, top + below + 0.22, f"mean by {dimension.name}", va="top")
        words = [*textwrap.wrap(f"“{dimension.hypothesis}”", 36), dimension.verdict]
        _write(figure, x, top + below + 0.37, "\n".join(words), va="top", size=SMALL, linespacing=1.3)
    return figure


MARKERS = ("o", "s", "^")


@_styled
def accuracy_against_cost(
    architectures: Sequence[str],
    names: Sequence[str],
    macs: np.ndarray,
    accuracy: np.ndarray,
    front: Sequence[int],
    chance: float,
) -> Figure:
    """Networks by multiplications a picture and by accuracy (0 to 1) on held-out pictures; the line joins those of the
    Pareto `front`, which no cheaper one equals, and the table names them by `names`: at most 20, evenly chosen. A bar
    shows `chance`, by which two networks as good as each other differ in 5 % of pairs; nan where it is not known."""
    figure = _page(3.2)
    axes = _axes(figure, (0.5, 0.1, 3.5, 2.7))
    for architecture, marker in zip(dict.fromkeys(architectures), MARKERS, strict=False):
        own = np.array([one == architecture for one in architectures])
        style = {"linestyle": "", "marker": marker, "markersize": 3.5, "color": PALE, "markeredgewidth": 0}
        axes.plot(macs[own], 100 * accuracy[own], **style, label=architecture)
    axes.step(macs[front], 100 * accuracy[front], where="post", color=ACCENT, linewidth=1.0)
    for architecture, marker in zip(dict.fromkeys(architectures), MARKERS, strict=False):
        own = [i for i in front if architectures[i] == architecture]
        axes.plot(macs[own], 100 * accuracy[own], linestyle="", marker=marker, markersize=4.5, color=ACCENT)
    axes.set(xscale="log", xlabel="multiplications a picture", ylabel="accuracy on held-out pictures (%)")
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.legend(loc="lower right", frameon=False, fontsize=SMALL, handletextpad=0.2)

    if not math.isnan(chance):
        x, middle = macs.min(), 100 * (accuracy.max() - chance / 2)
        axes.errorbar(x, middle, 50 * chance, color=INK, linewidth=0.8, capsize=2)
        axes.annotate("chance", (x, middle), (5, 0), textcoords="offset points", va="center", size=SMALL)

    chosen = [front[i] for i in np.unique(np.linspace(0, len(front) - 1, 20).round().astype(int))]
    _write(figure, 4.3, 0.1, "the front: no cheaper network equals it", va="top", size=SMALL)
    for row, i in enumerate(chosen, start=1):
        y = 0.12 + 0.14 * row
        _write(figure, 4.72, y, _thousands(macs[i]), ha="right", va="top", size=SMALL)
        _write(figure, 4.8, y, names[i], va="top", size=SMALL)
        _write(figure, WIDTH, y, f"{100 * accuracy[i]:.2f}", ha="right", va="top", size=SMALL)
    return figure


def _thousands(number: float) -> str:
    """A large number in three figures or so: 1,234,567 as 1.23 M."""
    for size, unit in (1e9, " G"), (1e6, " M"), (1e3, " k"):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


@_styled
def accuracy_by_epochs(
    epochs: np.ndarray, held_out: np.ndarray, test: tuple[np.ndarray, np.ndarray, np.ndarray], caption: str
) -> Figure:
    """Fig. 15: accuracy (0 to 1) of one network trained with several numbers of `epochs`: on the held-out pictures, and
    on the `test` set with the lower and upper ends of its intervals."""
    accuracy, low, high = (100 * values for values in test)
    figure = _page(2.6)
    _write(figure, 0, 0, caption, va="top", size=SMALL)
    axes = _axes(figure, (0.55, 0.2, 4.8, 2.0))
    axes.plot(epochs, 100 * held_out, color=PALE, linewidth=0.8, marker="o", markersize=3)
    style = {"color": ACCENT, "linewidth": 1.0, "marker": "o", "markersize": 3, "capsize": 2}
    axes.errorbar(epochs, accuracy, [accuracy - low, high - accuracy], **style)
    axes.set(xscale="log", xlabel="epochs", ylabel="accuracy (%)")
    axes.set_xticks(epochs, [f"{n:.0f}" for n in epochs])
    axes.xaxis.set_minor_locator(NullLocator())
    ends = [100 * held_out[-1], accuracy[-1]]
    _label_ends(axes, ends, [f"held out {ends[0]:.2f} %", f"test {ends[1]:.2f} %"], ["0.35", ACCENT])
    return figure


def _sentence(text: str) -> Figure:
    """A page that says why there is nothing to see."""
    figure = _page(0.5)
    _write(figure, WIDTH / 2, 0.25, text, ha="center", va="center", wrap=True)
    return figure


# What the figures are made of. A place is (left, top, width, height) in inches from the page's top left corner.

Place = tuple[float, float, float, float]
MARGIN = 0.05  # inches around every page, so that no line is cut at its edge


def _page(height: float, width: float = WIDTH) -> Figure:
    return Figure(figsize=(width + 2 * MARGIN, height + 2 * MARGIN), dpi=DPI, facecolor="white")


def _fraction(figure: Figure, x: float, y: float) -> tuple[float, float]:
    width, height = figure.get_size_inches()
    return (x + MARGIN) / width, 1 - (y + MARGIN) / height


def _axes(figure: Figure, place: Place, **settings) -> Axes:
    left, top, width, height = place
    x, y = _fraction(figure, left, top + height)
    page_width, page_height = figure.get_size_inches()
    return figure.add_axes((x, y, width / page_width, height / page_height), **settings)


def _write(figure: Figure, x: float, y: float, text: object, **settings) -> None:
    figure.text(*_fraction(figure, x, y), str(text), **settings)


def _picture(figure: Figure, place: Place, image: np.ndarray, heavy: bool = False, **settings: Any) -> Axes:
    axes = _axes(figure, place, xticks=[], yticks=[])
    settings.setdefault("cmap", "gray_r")
    axes.imshow(image, interpolation="nearest", **settings)
    axes.spines[:].set(visible=True, color=INK if heavy else PALE, linewidth=1.8 if heavy else 0.4)
    return axes


def _photograph(figure: Figure, place: Place, photo: np.ndarray) -> None:
    """A grey picture of any size as it is, dark for dark, fitted into `place`, no finer than will be printed."""
    picture = Image.fromarray(np.asarray(photo, dtype=np.uint8))
    pixels = round(max(place[2:]) * DPI)
    picture.thumbnail((pixels, pixels), Image.Resampling.BOX)
    _picture(figure, place, np.asarray(picture), cmap="gray", vmin=0, vmax=255)


def _percent(probability: float) -> str:
    if probability >= 0.9995:  # 1, too: a table's six decimals have rounded it
        return ">99.9 %"
    return "<0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


def _scale_by_ratio(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _label_ends(axes: Axes, ends: Sequence[float], names: Sequence[str], colors: Sequence[str]) -> None:
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


def _signed_norm(values: np.ndarray) -> Normalize:
    largest = float(np.abs(values).max()) or 1.0
    return Normalize(-largest, largest)


def _colour_bar(figure: Figure, place: Place, norm: Normalize, label: str) -> None:
    most = norm.vmax or 1.0
    bar = figure.colorbar(ScalarMappable(norm, SIGNED), cax=_axes(figure, place), ticks=[-most, 0, most])
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
