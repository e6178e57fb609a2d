"""How trainings went: loss and accuracy by the number of examples seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from recognition.telling.figures import tables
from recognition.telling.figures.page import (
    ACCENT,
    INK,
    PALE,
    SMALL,
    add_axes,
    label_ends,
    new_page,
    scale_by_ratio,
    styled,
    write,
)


@styled
def training_curve(steps: tuple[np.ndarray, np.ndarray], epochs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Figure:
    """Fig. 5: loss (nats) and, below, held-out error rate against the number of training examples seen.

    `steps` are the arrays (examples, training loss), `epochs` the arrays (examples, held-out loss, held-out error rate
    from 0 to 1).
    """
    seen, training_loss = (np.asarray(values, dtype=float) for values in steps)
    seen_held, held_loss, held_error = (np.asarray(values, dtype=float) for values in epochs)
    figure = new_page(3.7)
    upper = add_axes(figure, (0.55, 0.1, 4.95, 2.05))
    lower = add_axes(figure, (0.55, 2.35, 4.95, 0.9), sharex=upper)
    held = {"color": ACCENT, "linewidth": 1.0, "marker": "o", "markersize": 3, "clip_on": False}
    upper.plot(seen, training_loss, color=PALE, linewidth=0.8)
    upper.plot(seen_held, held_loss, **held)
    upper.set_ylabel("loss (nats)")
    scale_by_ratio(upper)
    upper.tick_params(labelbottom=False)
    lower.plot(seen_held, 100 * held_error, **held)
    lower.set(xlabel="training examples seen", ylabel="error rate (%)", xlim=(0, max([1, *seen, *seen_held])))
    if np.all(held_error > 0):
        scale_by_ratio(lower)
    else:
        lower.set_ylim(bottom=0)
    lower.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.align_ylabels()

    ends = [float(np.median(training_loss[-max(1, len(training_loss) // 10) :])), held_loss[-1]]
    label_ends(upper, ends, ["training", f"held out {held_loss[-1]:.3f}"], ["0.35", ACCENT])
    label_ends(lower, [100 * held_error[-1]], [f"held out {100 * held_error[-1]:.2f} %"], [ACCENT])
    return figure


def training_curve_from_tables(steps: tables.Rows, epochs: tables.Rows) -> Figure:
    """From the tables that a training writes, a row a step and a row an epoch."""
    held_out = tables.column(epochs, "held_out_loss"), 1 - tables.column(epochs, "held_out_accuracy")
    return training_curve(
        (tables.column(steps, "examples"), tables.column(steps, "train_loss")),
        (tables.column(epochs, "examples"), *held_out),
    )


FLOOR = 1e-4  # nats: below it a loss differs in what no one can see


class Curve(NamedTuple):
    """How one way of training went, epoch by epoch; what was not measured is nan."""

    examples: np.ndarray  # training pictures seen
    train_loss: np.ndarray  # nats
    train_accuracy: np.ndarray  # 0 to 1
    held_out_loss: np.ndarray
    held_out_accuracy: np.ndarray


@styled
def finetuning_curves(ways: dict[str, Curve]) -> Figure:
    """Fig. 13: loss and, below, accuracy against the number of training pictures seen, of two ways of training in one
    picture: the first dashed, the second solid; held out in colour with dots, training pale. A ring marks where the
    training letters are first all right. Losses below FLOOR are drawn there."""
    figure = new_page(4.3)
    upper = add_axes(figure, (0.55, 0.47, 5.9, 2.1))
    lower = add_axes(figure, (0.55, 2.77, 5.9, 1.1), sharex=upper)
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
        write(figure, 0, k * 0.115, text, va="top", size=SMALL)
    upper.set(xscale="log", ylabel="loss (nats)", ylim=(FLOOR, None))
    scale_by_ratio(upper)
    upper.yaxis.set_major_locator(LogLocator(numticks=8))
    upper.tick_params(labelbottom=False)
    lower.set(xlabel="training pictures seen", ylabel="accuracy (%)")
    lower.set_ylim(top=100)
    lower.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    lower.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    figure.align_ylabels()
    return figure


def finetuning_curves_from_table(rows: tables.Rows) -> Figure:
    """From a table with a row for each epoch of each way."""
    return finetuning_curves(
        {way: Curve(*(tables.column(own, name) for name in Curve._fields)) for way, own in tables.by_way(rows).items()}
    )
