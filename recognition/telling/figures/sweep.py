"""Many networks side by side: by dimension, by cost and by the number of epochs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from recognition.sweep.effects import HYPOTHESES, Noise, front, number
from recognition.telling.figures import tables
from recognition.telling.figures.page import (
    ACCENT,
    INK,
    PALE,
    SMALL,
    WIDTH,
    add_axes,
    label_ends,
    new_page,
    styled,
    write,
)


class Dimension(NamedTuple):
    """What one dimension of a sweep does to the accuracy."""

    name: str
    levels: Sequence[object]
    means: np.ndarray  # accuracy by level, 0 to 1, over all else
    threshold: float  # the difference that chance alone seldom exceeds on these pictures; nan where it is not known
    hypothesis: str
    verdict: str


@styled
def grid(
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
    figure = new_page(top + height + 0.65 + below + 0.85)
    write(figure, 0, 0, f"accuracy on the held-out pictures (%); the best is framed; {noise}", va="top", size=SMALL)
    for i, (name, cells) in enumerate(accuracies.items()):
        place = (left + i * pitch, top, cell[0] * len(filters), height)
        axes = add_axes(figure, place, xlim=(0, len(filters)), ylim=(0, len(kernel_sizes)))
        for (row, column), value in np.ndenumerate(cells):
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
        write(figure, place[0], top - 0.05, name, va="bottom")
        write(figure, place[0] + place[2] / 2, top + height + 0.19, "filters", ha="center", va="top", size=SMALL)
    write(figure, 0, top + height / 2, "kernel size", va="center", rotation=90, size=SMALL)

    top += height + 0.4
    words = "on these pictures two means whose bars do not overlap differ by more than chance"
    write(figure, 0, top, f"accuracy (%), mean over all else; {words}", va="top", size=SMALL)
    top += 0.25
    shared = None
    for i, dimension in enumerate(dimensions):
        x = left + i * pitch
        axes = shared = add_axes(figure, (x, top, pitch - left - 0.1, below), sharey=shared)
        half = 0.0 if math.isnan(dimension.threshold) else 50 * dimension.threshold
        places = range(len(dimension.levels))
        axes.errorbar(places, 100 * dimension.means, half, color=INK, linewidth=0.8, marker="o", markersize=3)
        axes.set_xticks(places, map(str, dimension.levels))
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.tick_params(labelleft=i == 0)
        write(figure, x, top + below + 0.22, f"mean by {dimension.name}", va="top")
        words = [line for text in (f"“{dimension.hypothesis}”", dimension.verdict) for line in textwrap.wrap(text, 36)]
        write(figure, x, top + below + 0.37, "\n".join(words), va="top", size=SMALL, linespacing=1.3)
    return figure


def grid_from_tables(facts: dict, cells: tables.Rows, means: tables.Rows) -> Figure:
    """From the sweep's metrics, its networks, and the mean accuracy of each level of a dimension."""
    rows = {(row["architecture"], int(row["kernel_size"]), int(row["filters"])): row for row in _of_the_grid(cells)}
    names, sizes, filters = (sorted(set(own)) for own in zip(*rows, strict=True))
    maps = {
        name: np.array([[float(rows[name, size, n]["held_out_accuracy"]) for n in filters] for size in sizes])
        for name in names
    }
    mean = {(row["dimension"], row["level"]): float(row["held_out_accuracy"]) for row in means}
    dimensions = [
        Dimension(
            name.replace("_", " "),
            levels,
            np.array([mean[name, str(level)] for level in levels]),
            number(facts["effects"][name]["threshold"]),
            hypothesis.words,
            facts["effects"][name]["hypothesis"],
        )
        for levels, (name, hypothesis) in zip((names, sizes, filters), HYPOTHESES.items(), strict=True)
    ]
    seeds, deviation = facts["noise"]["seeds"], facts["noise"]["held_out_sd"]
    spread = (
        f"the printed network under {seeds} seeds: standard deviation {100 * number(deviation):.2f} on these pictures"
    )
    return grid(maps, sizes, filters, dimensions, "noise not measured" if deviation is None else spread)


def _of_the_grid(cells: tables.Rows) -> tables.Rows:
    """Without the repeats of the printed network under other seeds."""
    return [row for row in cells if row["grid"] == "1"]


MARKERS = ("o", "s", "^")


@styled
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
    shows `chance`, by which two networks as good as each other differ on these pictures in 5 % of pairs; nan where it
    is not known."""
    figure = new_page(3.2)
    axes = add_axes(figure, (0.5, 0.1, 3.5, 2.7))
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
        axes.annotate(
            "chance on\nthese pictures", (x, middle), (5, 0), textcoords="offset points", va="center", size=SMALL
        )

    chosen = [front[i] for i in np.unique(np.linspace(0, len(front) - 1, 20).round().astype(int))]
    write(figure, 4.3, 0.1, "the front: no cheaper network equals it", va="top", size=SMALL)
    for row, i in enumerate(chosen, start=1):
        y = 0.12 + 0.14 * row
        write(figure, 4.72, y, _thousands(macs[i]), ha="right", va="top", size=SMALL)
        write(figure, 4.8, y, names[i], va="top", size=SMALL)
        write(figure, WIDTH, y, f"{100 * accuracy[i]:.2f}", ha="right", va="top", size=SMALL)
    return figure


@styled
def accuracy_by_epochs(
    epochs: np.ndarray, held_out: np.ndarray, test: tuple[np.ndarray, np.ndarray, np.ndarray], caption: str
) -> Figure:
    """Fig. 15: accuracy (0 to 1) of one network trained with several numbers of `epochs`: on the held-out pictures, and
    on the `test` set with the lower and upper ends of its intervals."""
    accuracy, low, high = (100 * values for values in test)
    figure = new_page(2.6)
    write(figure, 0, 0, caption, va="top", size=SMALL)
    axes = add_axes(figure, (0.55, 0.2, 4.8, 2.0))
    axes.plot(epochs, 100 * held_out, color=PALE, linewidth=0.8, marker="o", markersize=3)
    style = {"color": ACCENT, "linewidth": 1.0, "marker": "o", "markersize": 3, "capsize": 2}
    axes.errorbar(epochs, accuracy, [accuracy - low, high - accuracy], **style)
    axes.set(xscale="log", xlabel="epochs", ylabel="accuracy (%)")
    axes.set_xticks(epochs, [f"{n:.0f}" for n in epochs])
    axes.xaxis.set_minor_locator(NullLocator())
    ends = [100 * held_out[-1], accuracy[-1]]
    label_ends(axes, ends, [f"held out {ends[0]:.2f} %", f"test {ends[1]:.2f} %"], ["0.35", ACCENT])
    return figure


def cost_from_tables(facts: dict, cells: tables.Rows) -> Figure:
    """From the sweep's metrics and its networks."""
    rows = _of_the_grid(cells)
    macs, accuracy = tables.column(rows, "macs"), tables.column(rows, "held_out_accuracy")
    chance = Noise.of(facts["noise"]).threshold(levels=2, cells=1)
    best = front(macs.tolist(), accuracy.tolist())
    names = [tables.network(row) for row in rows]
    return accuracy_against_cost([row["architecture"] for row in rows], names, macs, accuracy, best, chance)


def _thousands(number: float) -> str:
    """A large number in three figures or so: 1,234,567 as 1.23 M."""
    for size, unit in (1e9, " G"), (1e6, " M"), (1e3, " k"):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def epochs_from_tables(facts: dict, budgets: tables.Rows) -> Figure:
    """From the metrics of stage epochs and its table, a row for each number of epochs."""
    limit, most = number(facts["threshold"]), int(budgets[-1]["epochs"])
    if len(budgets) == 1:
        says = ""
    elif math.isnan(limit):
        says = "; noise not measured"
    elif facts["enough"] == most:
        says = f"; still gaining at {most} epochs, more than the noise on these pictures, {100 * limit:.2f} points"
    else:
        says = (
            f"; beyond {facts['enough']} epochs no gain exceeds the noise on these pictures, {100 * limit:.2f} points"
        )
    accuracy, low, high = (tables.column(budgets, f"test_accuracy{end}") for end in ("", "_low", "_high"))
    epochs, held_out = tables.column(budgets, "epochs"), tables.column(budgets, "held_out_accuracy")
    return accuracy_by_epochs(epochs, held_out, (accuracy, low, high), tables.network(facts) + says)
