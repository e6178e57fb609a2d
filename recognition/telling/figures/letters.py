"""The Greek letters, and what is read in them."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from recognition.telling.figures.page import (
    DPI,
    SMALL,
    WIDTH,
    Numbers,
    add_picture,
    new_page,
    percent,
    sentence,
    styled,
    write,
)

LETTER_COLUMNS = 20
MOST_SHOWN = 24  # of what is read


def shown_samples(
    names: Sequence[str], writers: Sequence[str], held_out: Sequence[bool], symbols: Mapping[str, str]
) -> dict[str, list[int]]:
    """Which letters `samples` shows: a row a letter, in the order of `symbols` (name to sign), at most LETTER_COLUMNS
    of each, evenly chosen, those held out last."""
    order = sorted(range(len(names)), key=lambda i: (held_out[i], writers[i]))
    rows = {name: found for name in symbols if (found := [i for i in order if names[i] == name])}
    return {
        name: [row[k] for k in np.unique(np.linspace(0, len(row) - 1, LETTER_COLUMNS).round().astype(int))]
        for name, row in rows.items()
    }


@styled
def samples(
    pictures: Mapping[int, np.ndarray],
    names: Sequence[str],
    writers: Sequence[str],
    held_out: Sequence[bool],
    symbols: Mapping[str, str],
) -> Figure:
    """The letters as a network sees them, each with its letter's name, its writer ("" where unknown) and whether it is
    held out; `pictures` holds (28, 28) uint8 of the `shown_samples`. A writer is a number below the picture; what is
    held out stands on grey."""
    rows = shown_samples(names, writers, held_out, symbols)
    if not rows:
        return sentence("There are no letters.")
    most = max(Counter(names).values())
    order = sorted({i for row in rows.values() for i in row}, key=lambda i: (held_out[i], writers[i]))
    named = dict.fromkeys(writers[i] for i in order if writers[i])
    numbers = {writer: n for n, writer in enumerate(named, 1)}
    legend = f"{len(names):,} pictures; on grey: held out"
    if most > LETTER_COLUMNS:
        legend += f"; {LETTER_COLUMNS} of a letter shown, of up to {most}"
    lines = [legend, *textwrap.wrap("   ".join(f"{n} {writer}" for writer, n in numbers.items()), 130, max_lines=4)]
    dots = _card(pictures[order[0]], False).shape
    cell, left, line, pitch = dots[0] / DPI, 0.64, 0.12, (dots[1] / DPI, 0.37)
    top = line * len(lines) + 0.06
    figure = new_page(top + len(rows) * pitch[1])
    for k, text in enumerate(lines):
        write(figure, 0, k * line, text, va="top", size=SMALL)
    for k, (name, row) in enumerate(rows.items()):
        y = top + k * pitch[1]
        write(figure, 0, y + cell / 2, f"{symbols[name]}  {name}", va="center")
        strip = np.concatenate([_card(pictures[i], held_out[i]) for i in row], axis=1)
        height, width = strip.shape
        add_picture(figure, (left, y, width / DPI, height / DPI), strip, vmin=0, vmax=255).set_axis_off()
        for column, i in enumerate(row):
            x = left + (column + 0.5) * pitch[0]
            write(figure, x, y + cell + 0.01, numbers.get(writers[i], ""), ha="center", va="top", size=4.5)
    return figure


def shown_predictions(true: Sequence[str], ways: Sequence[Sequence[str]]) -> list[int]:
    """Which letters `predictions` shows: all, or of more than MOST_SHOWN those first that some way reads wrong."""
    everything = range(len(true))
    wrong = [any(readings[i] != true[i] for readings in ways) for i in everything]
    return list(everything) if len(true) <= MOST_SHOWN else sorted(everything, key=lambda i: not wrong[i])[:MOST_SHOWN]


@styled
def predictions(
    images: Mapping[int, np.ndarray], true: Sequence[str], ways: dict[str, tuple[Sequence[str], Numbers]]
) -> Figure:
    """Fig. 13: held-out letters, each with its name and beneath it what each way reads and the reading's probability
    (0 to 1); a wrong one is crossed, and a picture that our way, the last, misreads is framed.

    `images` holds (28, 28) of the `shown_predictions`, by their place; the first line says how many are not."""
    n, columns = len(true), 6
    if n == 0:
        return sentence("No letters are held out.")
    right = {way: [r == t for r, t in zip(readings, true, strict=True)] for way, (readings, _) in ways.items()}
    order = shown_predictions(true, [readings for readings, _ in ways.values()])
    caption = "; ".join(f"{way}: {sum(found)} of {n} right" for way, found in right.items())
    if n > len(order):
        caption += f"; {len(order)} shown" + ("" if all(map(all, right.values())) else ", wrong ones first")
    cell, top, pitch = 0.7, 0.37, (WIDTH / columns, 1.16 + 0.12 * (len(ways) - 1))  # 28 pixels of 5
    figure = new_page(top + math.ceil(len(order) / columns) * pitch[1] - 0.08)
    write(figure, 0, 0, caption, va="top")
    write(figure, 0, 0.13, f"below each: what it is, then what is read by {', then by '.join(ways)}", va="top")
    for place, i in enumerate(order):
        x, y = place % columns * pitch[0], top + place // columns * pitch[1]
        add_picture(figure, (x, y, cell, cell), images[i], heavy=not list(right.values())[-1][i])
        lines = [f"{true[i]}"]
        for way, (readings, probability) in ways.items():
            mark = "" if right[way][i] else "✗ "
            lines.append(f"{mark}{readings[i]} {percent(probability[i])}")
        write(figure, x, y + cell + 0.05, "\n".join(lines), va="top", size=SMALL, linespacing=1.3)
    return figure


def _card(picture: np.ndarray, grey: bool) -> np.ndarray:
    """A picture (H, W) of ink, 0 to 255, on white or grey paper, two dots a pixel, with a thin frame."""
    card = np.maximum(picture, 45 if grey else 0).repeat(2, axis=0).repeat(2, axis=1)
    return np.pad(card, 1, constant_values=110)
