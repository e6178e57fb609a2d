"""What each choice of the recipes in params.yaml gains: `python -m benchmarks.recipes` writes reports/recipes.md.

Each row is the recipe with something changed, trained under SEEDS as the sweep trains its networks: side by side, kept
in the sweep's store, so that a killed run goes on. Choices are made by the accuracy on held-out pictures; that on the
test set stands beside it, and no choice has seen it.
"""

from recognition.base import door

if __name__ == "__main__":
    door.begin()

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import stages  # settles the arithmetic before torch is imported
from benchmarks.full import SETTINGS
from benchmarks.variants import Averaged, Erasing, Moving, Smoothed, around
from recognition.base import files, machine
from recognition.base.determinism import generator, pin_torch
from recognition.base.params import Params, load
from recognition.sweep import effects, schedule, task
from recognition.sweep.task import Cell, Outcome
from recognition.telling.markdown import counted, percent, points, table_head, table_row
from recognition.training import datasets
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Data

REPORT = Path("reports/recipes.md")
SEEDS = [3, 4, 5]
CLOTHES_NETWORK = ("MnistNet", 4, 50)  # one that learns fast and reads nearly best
WHOLE = dict(setting.split("=") for setting in SETTINGS)  # of the original's whole budget
ABOUT = """# What the recipes gain

`python -m benchmarks.recipes` writes this: means over the seeds {seeds}, trained as the sweep trains. Each row is the
recipe with one thing changed, and what that gains or loses. Choices are made on held-out pictures; none has seen the
test set. What others do is among the rows: mirroring, moving, erasing, smoothing and averaging, as K. Jordan's airbench
(2024) or the ResNet-20 of Z. Zhong et al. (2017) learn. Digits are not mirrored, as a mirrored 2 is none.
"""
AS_IT_IS = "as it is"
WORKER_BYTES = 2_000_000_000  # of a process that draws the elastic displacements of an epoch; measured: 1.83 GB


def usual(cell: Cell) -> dict[str, Cell]:
    """What the fastest and the best small networks do beside: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds" (airbench),
    2024; Z. Zhong et al., "Random Erasing Data Augmentation", 2017, of a ResNet-20."""
    own = vars(cell.recipe.distortion)
    return {
        "rectangles erased from half of the pictures": changed(cell, distortion=Erasing(**own)),
        "labels smoothed by 0.1": around(cell, Smoothed, 0.1),
        "an average of the weights of some 200 steps": around(cell, Averaged, 0.995),
    }


def digits(params: Params) -> tuple[Data, Cell, dict[str, Cell]]:
    """MNIST, the recipe of stage train for it, and that recipe with something changed, by what is changed."""
    own = params.train
    whole, test = (datasets.load("mnist", Path("data/mnist"), train=train) for train in (True, False))
    train, held_out = datasets.hold_out(whole, own.held_out, generator(own.seed, "held out"))
    data = Data(train, held_out, test, datasets.normalisation(train.pictures), 10)
    cell = task.cell(
        *("MnistNet", own.kernel_size, own.filters, own.seed),
        **own.model_dump(
            include={
                "epochs",
                "optimizer",
                "batch_size",
                "learning_rate",
                "warm_up",
                "momentum",
                "weight_decay",
                "dropout",
            }
        ),
    )
    cell = cell._replace(recipe=replace(cell.recipe, distortion=Distortion(own.rotation, own.scale, own.shift)))
    sgd = changed(cell, optimizer="sgd", learning_rate=0.06, weight_decay=5e-4)
    others = {
        "SGD, learning rate 0.06, weight decay 0.0005": sgd,
        "SGD, learning rate 0.06, weight decay 0.0005, dropout 0.5": sgd._replace(dropout=0.5),
        "dropout 0.5": cell._replace(dropout=0.5),
        "weight decay 0.01": changed(cell, weight_decay=0.01),
        "pictures as they are": changed(cell, distortion=Distortion(0.0, 0.0, 0.0)),
        "elastic displacements of a pixel or so": changed(
            cell, distortion=replace(cell.recipe.distortion, elastic=40.0)
        ),
        "a shorter tail: warm-up 0.3": changed(cell, warm_up=0.3),
    } | usual(cell)
    return data, cell, others


def clothes(params: Params) -> tuple[Data, Cell, dict[str, Cell]]:
    """FashionMNIST, likewise: the recipe of stage sweep, for its number of epochs."""
    own = params.sweep
    data = datasets.fashion(Path("data/fashion_mnist"), own.held_out, own.seed)
    cell = task.cell(*CLOTHES_NETWORK, own.seed, epochs=own.epochs, dropout=own.dropout, **own.recipe.model_dump())
    sgd = changed(cell, optimizer="sgd", learning_rate=0.05, weight_decay=5e-4)
    others = {
        "dropout 0.5": cell._replace(dropout=0.5),
        "no dropout": cell._replace(dropout=0.0),
        "SGD, learning rate 0.05, weight decay 0.0005": sgd,
        "AdamW, learning rate 0.006": changed(cell, optimizer="adamw", learning_rate=0.006),
        "mirrored": changed(cell, distortion=replace(cell.recipe.distortion, mirrored=True)),
        "moved by up to a pixel": changed(cell, distortion=Moving(0.0, 0.0, 1.0)),
        "a shorter tail: warm-up 0.3": changed(cell, warm_up=0.3),
    }
    return data, cell, others | usual(cell)


def clothes_for_long(params: Params) -> tuple[Data, Cell, dict[str, Cell]]:
    """FashionMNIST, likewise: the recipe of stage sweep with the original's whole budget."""
    data, short, _ = clothes(params)
    cell = changed(
        short._replace(dropout=float(WHOLE["sweep.dropout"])),
        epochs=int(WHOLE["sweep.epochs"]),
        weight_decay=float(WHOLE["sweep.recipe.weight_decay"]),
        distortion=Distortion(0.0, 0.0, 0.0, mirrored=WHOLE["sweep.recipe.mirrored"] == "true"),
    )
    less = changed(cell._replace(dropout=short.dropout), weight_decay=short.recipe.weight_decay)
    others = {
        "pictures as they are": changed(cell, distortion=short.recipe.distortion),
        f"dropout {short.dropout:g}, weight decay {short.recipe.weight_decay:g}": less,
        "moved by up to a pixel": changed(cell, distortion=Moving(0.0, 0.0, 1.0, mirrored=True)),
    }
    return data, cell, others | usual(cell)


def changed(cell: Cell, **settings) -> Cell:
    return cell._replace(recipe=replace(cell.recipe, **settings))


def measured(data: Data, wanted: list[Cell], title: str) -> dict[Cell, list[Outcome]]:
    """Each cell's outcomes under SEEDS."""
    cells = {cell: [changed(cell, seed=seed) for seed in SEEDS] for cell in wanted}
    work = {own: schedule.work(own, data) for several in cells.values() for own in several}
    found = {}
    workers = max(1, min(machine.cores(), machine.memory() // WORKER_BYTES))
    with stages.progress(" MAC", sum(work.values()), title) as bar:
        for cell, outcome in schedule.outcomes(list(work), data, stages.CACHE / "cells", "cpu", workers, None):
            found[cell] = outcome
            bar.update(work[cell])
    return {cell: [found[own] for own in several] for cell, several in cells.items()}


def table(title: str, data: Data, base: Cell, others: dict[str, Cell]) -> str:
    found = measured(data, [base, *others.values()], title)
    held_out = {cell: [outcome.held_out.accuracy for outcome in own] for cell, own in found.items()}
    noise = effects.noise(*held_out.values())
    gains = {name: fmean(held_out[cell]) - fmean(held_out[base]) for name, cell in others.items()}
    rows = [
        table_row(
            name,
            percent(fmean(held_out[cell])),
            points(gains[name]) if name in gains else "",
            percent(fmean(outcome.test.accuracy for outcome in found[cell])),
        )
        for name, cell in {AS_IT_IS: base, **others}.items()
    ]
    chance = noise.threshold(2, len(SEEDS))
    beyond = {sign: [name for name, gain in gains.items() if sign * gain > chance] for sign in (1, -1)}
    return f"""## {title}

{table_head("recipe", "held out", "gains", "test").rstrip()}
{"".join(rows).strip()}

A seed moves an accuracy on the held-out pictures by a standard deviation of {points(noise.deviation)}; two means differ
by up to {points(chance)} by chance.

- More than that gains: {"; ".join(beyond[1]) or "nothing"}.
- More than that loses: {"; ".join(beyond[-1]) or "nothing"}.
"""


def main() -> None:
    pin_torch()
    params = load(Path("params.yaml"))
    name = f"{CLOTHES_NETWORK[0]}, kernel {CLOTHES_NETWORK[1]}, {CLOTHES_NETWORK[2]} filters"
    tables = [
        table(f"Digits: mnistNet, {params.train.epochs} epochs", *digits(params)),
        table(f"Clothes: {name}, {counted(params.sweep.epochs, 'epoch')}", *clothes(params)),
        table(f"Clothes: {name}, {WHOLE['sweep.epochs']} epochs as in `make full`", *clothes_for_long(params)),
    ]
    seeds = ", ".join(map(str, SEEDS))
    files.write_bytes(REPORT, "\n".join([ABOUT.format(seeds=seeds), *tables]).encode())


if __name__ == "__main__":
    stages.run(main)
