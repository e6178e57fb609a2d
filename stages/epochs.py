"""Train the sweep's best network with each of several numbers of epochs under each of several seeds, side by side.

Each anew, on a schedule made for its number; with the sweep's seed and number of epochs it is the sweep's own. Beside
it the printed network, with the original's dropout in all epochs and in the first alone, where its program left it.
"""

import json
from itertools import product
from pathlib import Path
from statistics import fmean

from recognition.base import files
from recognition.base.determinism import pin_torch
from recognition.base.params import load
from recognition.sweep import effects, schedule, task
from recognition.sweep.task import Outcome
from recognition.training import datasets, devices, scores
from recognition.training.evaluation import Score
from stages import CACHE, progress, run

DATA = Path("data/fashion_mnist")
SWEEP = Path("reports/sweep/metrics.json")
REPORTS = Path("reports/epochs")
NETWORK = ["architecture", "kernel_size", "filters"]


def main() -> None:
    params = load(Path("params.yaml"))
    shared, budgets, seeds = params.sweep, sorted(params.epochs.budgets), params.epochs.seeds
    pin_torch()
    device = devices.device(shared.device, "sweep")
    data = datasets.fashion(DATA, shared.held_out, shared.seed)
    sweep = json.loads(SWEEP.read_text(encoding="utf-8"))["sweep"]
    architecture, kernel_size, filters = best = [sweep["best"][name] for name in NETWORK]
    longest, recipe = budgets[-1], shared.recipe.model_dump()
    runs = {
        (n, seed): task.cell(architecture, kernel_size, filters, seed, epochs=n, dropout=shared.dropout, **recipe)
        for n, seed in product(budgets, seeds)
    }
    dropped = {
        (name, seed): task.cell(
            *task.PRINTED, seed, epochs=longest, dropout=task.PRINTED_DROPOUT, dropout_epochs=kept, **recipe
        )
        for (name, kept), seed in product({"in_all": None, "in_the_first": 1}.items(), seeds)
    }
    work = {cell: schedule.work(cell, data) for cell in [*runs.values(), *dropped.values()]}
    found = {}
    with progress(" MAC", sum(work.values()), f"{'-'.join(map(str, budgets))} epochs on {device}") as bar:
        for cell, outcome in schedule.outcomes(
            list(work), data, CACHE / "cells", device, shared.workers, shared.scheduler
        ):
            found[cell] = outcome
            bar.update(work[cell])

    header = ["epochs", "seed", "train_loss", "held_out_loss", "held_out_accuracy", "test_loss", "test_accuracy"]
    rows = [[*key, *flat(found[cell])] for key, cell in runs.items()]
    files.write_csv(REPORTS / "runs.csv", header, rows)
    means = {n: mean([found[runs[n, seed]] for seed in seeds]) for n in budgets}
    tests = {n: scores.test(*means[n].test, len(data.test.labels)) for n in budgets}
    header = ["epochs", "train_loss", "held_out_loss", "held_out_accuracy", *tests[longest]]
    rows = [[n, means[n].train_loss, *means[n].held_out, *tests[n].values()] for n in budgets]
    files.write_csv(REPORTS / "budgets.csv", header, rows)

    noise = effects.Noise.of(sweep["noise"])  # of the printed network, for want of this one's own
    if len(seeds) > 1:
        noise = effects.noise(*([found[runs[n, seed]].held_out.accuracy for seed in seeds] for n in budgets))
    threshold = noise.threshold(max(2, len(budgets)), len(seeds))
    held_out = {n: means[n].held_out.accuracy for n in budgets}
    chosen = max(budgets, key=held_out.__getitem__)
    facts = {
        **dict(zip(NETWORK, best, strict=True)),
        "chosen": chosen,
        "held_out_accuracy": round(held_out[chosen], 6),
        **tests[chosen],
        "seeds": len(seeds),
        "held_out_sd": effects.rounded(noise.deviation),
        "threshold": effects.rounded(threshold),
        "enough": effects.enough(held_out, threshold),
        "dropout": {
            "epochs": longest,
            **{
                name: round(fmean(found[dropped[name, seed]].test.accuracy for seed in seeds), 6)
                for name in dict.fromkeys(name for name, _ in dropped)
            },
        },
    }
    files.write_json(REPORTS / "metrics.json", {"epochs": facts})


def flat(outcome: Outcome) -> list[float]:
    return [outcome.train_loss, *outcome.held_out, *outcome.test]


def mean(outcomes: list[Outcome]) -> Outcome:
    """Of the same training under several seeds."""
    train_loss, *numbers = map(fmean, zip(*map(flat, outcomes), strict=True))
    return Outcome(train_loss, Score(*numbers[:2]), Score(*numbers[2:]))


if __name__ == "__main__":
    run(main, takes_less="fewer sweep.workers or a smaller sweep.recipe.batch_size in params.yaml take less")
