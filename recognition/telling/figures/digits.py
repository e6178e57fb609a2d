"""Pictures with what a network reads in them, and how often it reads what."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from recognition.telling.figures import tables
from recognition.telling.figures.page import (
    INK,
    NORMAL,
    PALE,
    SMALL,
    WIDTH,
    Numbers,
    add_axes,
    add_picture,
    new_page,
    percent,
    styled,
    write,
)


@styled
def first_digits(images: np.ndarray, labels: Sequence[object]) -> Figure:
    """Fig. 1: the first pictures of a test set, `images` (n, H, W), in rows of six, each above its label."""
    columns, cell = 6, 0.98  # 28 pixels of 7
    rows = max(1, math.ceil(len(images) / columns))
    pitch = (WIDTH - cell) / (columns - 1)
    figure = new_page(rows * 1.24)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = i % columns * pitch, i // columns * 1.24
        add_picture(figure, (left, top, cell, cell), image)
        write(figure, left + cell / 2, top + cell + 0.05, label, ha="center", va="top", size=NORMAL + 1)
    return figure


@styled
def predictions(images: np.ndarray, predicted: Sequence, true: Sequence, probability: Numbers) -> Figure:
    """Fig. 6: `images` (n, H, W) in rows of three, each with its reading, the reading's probability (0 to 1) and, where
    the reading is wrong, a heavy frame and the truth. `predicted` and `true` are compared, so of one type."""
    columns, cell, pitch = 3, 1.12, (2.2, 1.32)  # 28 pixels of 8
    rows = max(1, math.ceil(len(images) / columns))
    figure = new_page(rows * pitch[1] - 0.2)
    for i, (image, reading, truth, p) in enumerate(zip(images, predicted, true, probability, strict=True)):
        left, top = i % columns * pitch[0], i // columns * pitch[1]
        wrong = reading != truth
        add_picture(figure, (left, top, cell, cell), image, heavy=wrong)
        write(figure, left + cell + 0.08, top, f"✗ {reading}" if wrong else reading, va="top", size=11)
        below = f"{percent(p)}\nis {truth}" if wrong else percent(p)
        write(figure, left + cell + 0.08, top + 0.24, below, va="top", linespacing=1.5)
    return figure


def predictions_from_table(images: np.ndarray, rows: tables.Rows) -> Figure:
    """The first readings of a table that has label, prediction and log_probability, beside their `images` (n, H, W)."""
    rows = rows[: len(images)]
    labels, read = ([row[name] for row in rows] for name in ("label", "prediction"))
    return predictions(images, read, labels, tables.probabilities(rows))


@styled
def confusion(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """The confusion matrix (K, K) of counts: rows are true, columns are read; the right side is each class's accuracy.

    Errors are shaded by the logarithm of their count, so that a single one shows; zeros are left out.
    """
    k = len(classes)
    cell = min(0.42, 4.6 / k)
    size = NORMAL if cell > 0.3 else 5.5 if cell > 0.18 else 4
    longest = 0.0105 * size * max(map(len, classes))  # inches
    left, top = longest + 0.28, 0.18 + (longest if longest > cell else 0.14)
    figure = new_page(top + k * cell + 0.25, width=left + k * cell + 1.1)
    axes = add_axes(figure, (left, top, k * cell, k * cell), xlim=(0, k), ylim=(k, 0))
    matrix = np.asarray(matrix)
    most = math.log1p(max(1, np.where(np.eye(k, dtype=bool), 0, matrix).max()))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        dark = 0 if row == column else 0.05 + 0.6 * math.log1p(matrix[row, column]) / most
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
    write(figure, left + k * cell / 2, 0, "read as", ha="center", va="top")
    write(figure, 0, top + k * cell / 2, "true", va="center", rotation=90)

    x, size = left + k * cell + 0.1, max(size, 5.5)
    write(figure, x, top - 0.05, "accuracy (%)", va="bottom", size=SMALL)
    rows = [(i + 0.5) * cell for i in range(k)]
    correct, total = np.diag(matrix), matrix.sum(axis=1)
    for y, right, n in zip([*rows, k * cell + 0.14], [*correct, correct.sum()], [*total, total.sum()], strict=True):
        write(figure, x + 0.36, top + y, f"{100 * right / n:.1f}" if n else "–", ha="right", va="center", size=size)
        write(figure, x + 0.44, top + y, f"of {n:,}", va="center", size=size)
    write(figure, left - 0.05, top + k * cell + 0.14, "all", ha="right", va="center", size=size)
    return figure


def confusion_from_table(rows: tables.Rows) -> Figure:
    """A row for each class with its label, and how many are read_as_LABEL of each."""
    classes = [row["label"] for row in rows]
    return confusion(np.array([[int(row[f"read_as_{name}"]) for name in classes] for row in rows]), classes)
