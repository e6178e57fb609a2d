"""Train the sweep's best network with each of several numbers of epochs, side by side.

Each anew, on a schedule made for its number; with as many epochs as in the sweep it is the sweep's own.
"""

import json
from pathlib import Path

from recognition.base import files
from recognition.base.determinism import pin_torch
from recognition.base.params import load
from recognition.sweep import effects, schedule, task
from recognition.training import datasets, devices, scores
from stages import CACHE, progress, run

DATA = Path("data/fashion_mnist")
SWEEP = Path("reports/sweep/metrics.json")
REPORTS = Path("reports/epochs")
NETWORK = ["architecture", "kernel_size", "filters"]


def main() -> None:
    params = load(Path("params.yaml"))
    shared, budgets = params.sweep, sorted(params.epochs.budgets)
    pin_torch()
    device = devices.device(shared.device, "sweep")
    data = datasets.fashion(DATA, shared.held_out, shared.seed)
    sweep = json.loads(SWEEP.read_text(encoding="utf-8"))["sweep"]
    architecture, kernel_size, filters = best = [sweep["best"][name] for name in NETWORK]
    settings = {"dropout": shared.dropout, **shared.recipe.model_dump()}
    wanted = {task.cell(architecture, kernel_size, filters, shared.seed, epochs=n, **settings): n for n in budgets}
    work = {cell: schedule.work(cell, data) for cell in wanted}
    found = {}
    with progress(" MAC", sum(work.values()), f"{'-'.join(map(str, budgets))} epochs on {device}") as bar:
        for cell, outcome in schedule.outcomes(
            list(wanted), data, CACHE / "cells", device, shared.workers, shared.scheduler
        ):
            found[wanted[cell]] = outcome
            bar.update(work[cell])

    tests = {n: scores.test(*found[n].test, len(data.test.labels)) for n in budgets}
    header = ["epochs", "train_loss", "held_out_loss", "held_out_accuracy", *tests[budgets[0]]]
    rows = [[n, found[n].train_loss, *found[n].held_out, *tests[n].values()] for n in budgets]
    files.write_csv(REPORTS / "budgets.csv", header, rows)
    held_out = {n: found[n].held_out.accuracy for n in budgets}
    chosen = max(budgets, key=held_out.__getitem__)
    threshold = effects.Noise.of(sweep["noise"]).threshold(max(2, len(budgets)), 1)
    facts = {
        **dict(zip(NETWORK, best, strict=True)),
        "chosen": chosen,
        "held_out_accuracy": round(held_out[chosen], 6),
        **tests[chosen],
        "threshold": effects.rounded(threshold),
        "enough": effects.enough(held_out, threshold),
    }
    files.write_json(REPORTS / "metrics.json", {"epochs": facts})


if __name__ == "__main__":
    run(main, takes_less="fewer sweep.workers or a smaller sweep.recipe.batch_size in params.yaml take less")
