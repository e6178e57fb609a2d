"""Train every architecture with every kernel size and number of filters on FashionMNIST, side by side."""

from itertools import product
from pathlib import Path
from typing import Any

from recognition.base import files
from recognition.base.determinism import pin_torch
from recognition.base.params import load
from recognition.sweep import effects, schedule, task
from recognition.sweep.sizes import size
from recognition.sweep.task import Outcome
from recognition.training import datasets, devices, scores
from stages import CACHE, progress, run

DATA = Path("data/fashion_mnist")
REPORTS = Path("reports/sweep")
DIMENSIONS = ["architecture", "kernel_size", "filters"]


def main() -> None:
    params = load(Path("params.yaml")).sweep
    pin_torch()
    device = devices.device(params.device, "sweep")
    data = datasets.fashion(DATA, params.held_out, params.seed)
    grid = [(*key, params.seed) for key in product(params.architectures, params.kernel_sizes, params.filters)]
    repeats = [(*task.PRINTED, seed) for seed in params.noise_seeds]  # whose spread is the noise
    settings: dict[str, Any] = {"dropout": params.dropout, **params.recipe.model_dump()}
    keys = {task.cell(*key, epochs=params.epochs, **settings): key for key in [*grid, *repeats]}
    work = {cell: schedule.work(cell, data) for cell in keys}
    found, best = {}, 0.0
    with progress(" MAC", sum(work.values()), f"sweep on {device}") as bar:
        for done, outcome in schedule.outcomes(
            list(keys), data, CACHE / "cells", device, params.workers, params.scheduler
        ):
            found[keys[done]] = outcome
            if keys[done] in grid:
                best = max(best, outcome.held_out.accuracy)
            networks = f"{len(found)} of {len(keys)} networks, the best reads {100 * best:.2f} % of held-out pictures"
            bar.set_postfix_str(networks, refresh=False)
            bar.update(work[done])

    header = [*DIMENSIONS, "seed", "grid", "parameters", "macs", "train_loss"]
    header += ["held_out_loss", "held_out_accuracy", "test_loss", "test_accuracy"]
    rows = [
        [*key, int(key in grid), *size(*key[:3], data.classes), loss, *held_out, *test]
        for key, (loss, held_out, test) in sorted(found.items())
    ]
    files.write_csv(REPORTS / "cells.csv", header, rows)
    noise = effects.noise([found[key].held_out.accuracy for key in repeats])
    accuracies = [found[key].held_out.accuracy for key in grid]
    found_effects = {
        name: effects.effect([key[i] for key in grid], accuracies, noise, effects.HYPOTHESES[name])
        for i, name in enumerate(DIMENSIONS)
    }
    header = ["dimension", "level", "name", "held_out_accuracy", "cells"]
    rows = [
        [name, level, f"{name.replace('_', ' ')} {level}", mean, len(grid) // len(effect.means)]
        for name, effect in found_effects.items()
        for level, mean in effect.means.items()
    ]
    files.write_csv(REPORTS / "effects.csv", header, rows)
    metrics = {
        "cells": len(grid),
        "best": chosen({key: found[key] for key in grid}, data),
        "noise": noise.facts(),
        "effects": {name: facts(effect) for name, effect in found_effects.items()},
    }
    files.write_json(REPORTS / "metrics.json", {"sweep": metrics})


def chosen(found: dict[tuple, Outcome], data: datasets.Data) -> dict:
    """The cell that reads the held-out pictures best (of several the smallest), and how it reads the test set."""
    key = min(found, key=lambda key: (-found[key].held_out.accuracy, size(*key[:3], data.classes).macs))
    return {
        **dict(zip(DIMENSIONS, key[:3], strict=True)),
        **size(*key[:3], data.classes)._asdict(),
        "held_out_accuracy": round(found[key].held_out.accuracy, 6),
        **scores.test(*found[key].test, len(data.test.labels)),
    }


def facts(effect: effects.Effect) -> dict:
    """A dimension's effect, in accuracy on the held-out pictures."""
    return {
        "best": max(effect.means, key=effect.means.__getitem__),
        "spread": effects.rounded(effect.spread),
        "threshold": effects.rounded(effect.threshold),
        "hypothesis": effect.verdict,
    }


if __name__ == "__main__":
    run(main, takes_less="fewer sweep.workers or a smaller sweep.recipe.batch_size in params.yaml take less")
