"""The Greek letters, and what is read in them."""

from __future__ import annotations

import math
import textwrap
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


@styled
def samples(
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
        return sentence("There are no letters.")
    most = max(map(len, rows.values()))
    for row in rows.values():
        row[:] = [row[place] for place in np.unique(np.linspace(0, len(row) - 1, LETTER_COLUMNS).round().astype(int))]
    shown = {i for row in rows.values() for i in row}
    named = dict.fromkeys(writers[i] for i in order if i in shown and writers[i])
    numbers = {writer: n for n, writer in enumerate(named, 1)}
    legend = f"{len(names):,} pictures; on grey: held out"
    if most > LETTER_COLUMNS:
        legend += f"; {LETTER_COLUMNS} of a letter shown, of up to {most}"
    lines = [legend, *textwrap.wrap("   ".join(f"{n} {writer}" for writer, n in numbers.items()), 130, max_lines=4)]
    dots = _card(pictures[0], False).shape
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


@styled
def predictions(images: np.ndarray, true: Sequence[str], ways: dict[str, tuple[Sequence[str], Numbers]]) -> Figure:
    """Fig. 13: held-out letters, `images` (n, 28, 28), each with its name and beneath it what each way reads and the
    reading's probability (0 to 1); a wrong one is crossed, and a picture that our way, the last, misreads is framed.

    Of more than 24 those that some way reads wrong come first and the rest is left out; the first line says so."""
    n, most, columns = len(true), 24, 6
    if n == 0:
        return sentence("No letters are held out.")
    right = {way: [r == t for r, t in zip(readings, true, strict=True)] for way, (readings, _) in ways.items()}
    order = sorted(range(n), key=lambda i: all(found[i] for found in right.values()))[:most] if n > most else range(n)
    caption = "; ".join(f"{way}: {sum(found)} of {n} right" for way, found in right.items())
    if n > most:
        caption += f"; {most} shown" + ("" if all(map(all, right.values())) else ", wrong ones first")
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
