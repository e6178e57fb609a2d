"""The user's own pictures, and what a network sees and reads."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from recognition.telling.figures.page import (
    DPI,
    SMALL,
    WIDTH,
    Numbers,
    Place,
    add_picture,
    new_page,
    percent,
    sentence,
    styled,
    write,
)

MOST_SHOWN = 50


def shown(labels: Sequence[str], predicted: Sequence[str]) -> list[int]:
    """Which pictures `own_pictures` shows: all, or of more than MOST_SHOWN the wrong ones first, and the rest not."""
    wrong = [label not in ("", reading) for reading, label in zip(predicted, labels, strict=True)]
    everything = range(len(wrong))
    return list(everything) if len(wrong) <= MOST_SHOWN else sorted(everything, key=lambda i: not wrong[i])[:MOST_SHOWN]


@styled
def own_pictures(
    pictures: dict[int, tuple[np.ndarray, np.ndarray]],
    labels: Sequence[str],
    predicted: Sequence[str],
    probability: Numbers,
    known: Sequence[bool],
    none: str,
) -> Figure:
    """Fig. 8: the user's pictures in rows of ten: the photograph (uint8, any size, shown as it is), what the network
    sees of it (28, 28), its reading with the probability (0 to 1), a question mark where it is not known, and the truth
    beneath a wrong one, which is framed. A picture without a label ("") is shown and not counted.

    `pictures` holds photograph and (28, 28) of those that are `shown`, by their place; the first line says how many are
    not. Without any the page is the sentence `none`.
    """
    n = len(labels)
    if n == 0:
        return sentence(none)
    wrong = [label not in ("", reading) for reading, label in zip(predicted, labels, strict=True)]
    labelled = sum(label != "" for label in labels)
    caption = f"{labelled - sum(wrong)} of {labelled} read correctly"
    if n > labelled:
        caption += f"; {n - labelled} without a label"
    if not all(known):
        caption += f"; {list(known).count(False)} unlike what was learned (?)"
    if n > len(pictures):
        caption += f"; {len(pictures)} shown" + (", wrong ones first" if any(wrong) else "")
    columns, cell, top = 10, 0.56, 0.22  # 28 pixels of 4
    pitch, height = (WIDTH - cell) / (columns - 1), 1.7
    figure = new_page(top + math.ceil(len(pictures) / columns) * height - 0.12)
    write(figure, 0, 0, caption, va="top")
    for place, (i, (photo, prepared)) in enumerate(pictures.items()):
        left, upper = place % columns * pitch, top + place // columns * height
        _add_photograph(figure, (left, upper, cell, cell), photo)
        add_picture(figure, (left, upper + cell + 0.06, cell, cell), prepared, heavy=wrong[i])
        reading = predicted[i] if known[i] else f"{predicted[i]} ?"
        lines = [f"✗ {reading}" if wrong[i] else reading, percent(probability[i])]
        lines += [f"is {labels[i]}"] if wrong[i] else []
        write(figure, left + cell / 2, upper + 2 * cell + 0.11, "\n".join(lines), ha="center", va="top", size=SMALL)
    return figure


def _add_photograph(figure: Figure, place: Place, photo: np.ndarray) -> None:
    """A grey picture of any size as it is, dark for dark, fitted into `place`, no finer than will be printed."""
    picture = Image.fromarray(np.asarray(photo, dtype=np.uint8))
    pixels = round(max(place[2:]) * DPI)
    picture.thumbnail((pixels, pixels), Image.Resampling.BOX)
    add_picture(figure, place, np.asarray(picture), cmap="gray", vmin=0, vmax=255)
