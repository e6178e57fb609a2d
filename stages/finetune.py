"""Teach the digit network Greek letters, or your own signs: `python -m stages.finetune greek`."""

import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from recognition import networks
from recognition.base import files, fingerprints
from recognition.base.determinism import generator, pin_torch
from recognition.base.errors import UserError
from recognition.base.params import Finetune, Letters, Signs, load
from recognition.ink import dataset
from recognition.training import checkpoints, datasets, doubt, evaluation, scores
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Split
from recognition.training.fit import Recipe, fit
from recognition.training.history import History
from stages import CACHE, left_out, progress, run

GREEK = Path("data/greek")
SIGNS = Path("data/handwriting/signs")
MNIST = Path("data/mnist")
DIGITS = Path("models/train/checkpoint.pth")
MODELS = Path("models/finetune")
REPORTS = Path("reports/finetune")
STATES = CACHE / "finetune"  # of trainings, 0.7 MB each
UNLEARNED = 100  # of each digit, by which doubt is judged beside the signs held out
FIRST = 10  # held-out letters of each way whose log-probabilities are written out, as in the original report


class Task(NamedTuple):
    """What is to be learned."""

    classes: list[str]
    train: Split
    held_out: Split
    rows: list[dataset.Letter]  # of all these pictures, but for MNIST's
    unlearned: Split  # by which doubt is judged


def main() -> None:
    params = load(Path("params.yaml")).finetune
    studies = {"greek": params.greek, "greek_extended": params.greek_extended, "signs": params.signs}
    match sys.argv[1:]:
        case [name] if name in studies:
            study = studies[name]
        case _:
            raise UserError(f"study {' '.join(sys.argv[1:]) or 'missing'}: name one of {', '.join(studies)}")
    pin_torch()
    digits = checkpoints.load(DIGITS)
    task = letters(study) if isinstance(study, Letters) else signs(study, params.seed, digits.classes)
    held_out_rows = [row for row in task.rows if row.split == "held_out"]
    metrics: dict[str, object] = {"train_n": len(task.rows) - len(held_out_rows)}
    if isinstance(study, Signs):
        metrics["names"] = ", ".join(sorted({row.letter for row in task.rows}))
    if not task.rows:  # the user has no signs: what is known without any
        checkpoints.save(MODELS / name / "all_layers.pth", digits)
        write_course(REPORTS / name, {name: metrics}, {})
        write_readings(REPORTS / name, [], digits.classes)
        return

    train, held_out = task.train, task.held_out
    shown = {"last_layer": train, "all_layers": train.balanced(params.all_layers.pictures)}
    readings: list[list] = []
    histories: dict[str, History] = {}

    def tell(way: str, history: History) -> None:
        """After every epoch, so that a training that runs can be watched."""
        histories[way] = history
        metrics[way] = outcome(history, len(held_out.labels))
        write_course(REPORTS / name, {name: metrics}, histories)

    plans = recipes(params, study)
    total = sum(recipe.epochs * len(shown[way].labels) for way, recipe in plans.items())
    with progress(" pictures", total, name) as bar:
        for way, recipe in plans.items():
            arguments = digits.arguments | {"classes": len(task.classes)}
            head = generator(params.seed, "head", name)
            network = networks.with_new_head(digits.architecture, arguments, digits.weights, head)
            if way == "last_layer":
                networks.freeze_features(network)
            data = [fingerprints.digest(t.numpy()) for t in (*digits.weights.values(), *shown[way], *train, *held_out)]
            kept = STATES / fingerprints.of(__file__, "cpu", way, name, recipe, study, digits.normalisation, data)
            watched, told = [train, held_out], partial(tell, way)
            fit(network, shown[way], watched, digits.normalisation, recipe, "cpu", kept, bar.update, told)
            known = doubt.learn(network, train, task.unlearned, digits.normalisation, params.seed)
            if known.threshold == doubt.FURTHEST:
                bar.write(f"finetune {name}: nothing tells what {way} does not know: everything is", file=sys.stderr)
            tuned = {"arguments": arguments, "weights": network.state_dict(), "classes": task.classes}
            checkpoint = digits._replace(**tuned, epoch=recipe.epochs, **known._asdict())
            checkpoints.save(MODELS / name / f"{way}.pth", checkpoint)
            log_p = evaluation.log_probabilities(network, held_out.pictures, digits.normalisation)
            readings += [
                [way, row.path, row.writer, row.letter, task.classes[p.argmax()], p.max().item(), *p.tolist()]
                for row, p in zip(held_out_rows, log_p, strict=True)
            ]
            if isinstance(study, Signs) and study.digits:
                test = datasets.load("mnist", MNIST, train=False)
                log_p = evaluation.log_probabilities(network, test.pictures, digits.normalisation)
                metrics["digits"] = scores.accuracy(int((log_p.argmax(1) == test.labels).sum()), len(test.labels))
    write_course(REPORTS / name, {name: metrics}, histories)
    write_readings(REPORTS / name, readings, task.classes)
    files.prune(STATES, newest=20)


def letters(study: Letters) -> Task:
    """The Greek letters of a study."""
    return task(study.letters, *dataset.load(GREEK, study.letters))


def signs(study: Signs, seed: int, digits: list[str]) -> Task:
    """The user's own signs, if there are any, and as many of MNIST's digits beside them as the study says."""
    rows, pictures, failures = dataset.own(SIGNS, study.held_out, seed)
    left_out(failures)
    there = sorted({row.letter for row in rows})
    names = there if study.names == "all" else study.names
    if lacking := [name for name in names if name not in there]:
        raise UserError(f"{SIGNS}: no picture of {', '.join(lacking)}; draw some, or set finetune.signs.names: all")
    chosen = [i for i, row in enumerate(rows) if row.letter in names]
    known = [*digits, *(name for name in names if name not in digits)] if study.digits else names
    found = task(known, [rows[i] for i in chosen], pictures[chosen])
    if len(known) == 1:
        raise UserError(
            f"{SIGNS}: {names[0]} alone is told from nothing; draw another, or set finetune.signs.digits: 500"
        )
    if not chosen or not study.digits:
        return found
    whole = datasets.load("mnist", MNIST, train=True)
    learned, unlearned = (whole.of_each(slice(k, k + n)) for k, n in ((0, study.digits), (study.digits, UNLEARNED)))
    return found._replace(train=learned.followed_by(found.train), unlearned=unlearned.followed_by(found.held_out))


def task(classes: list[str], rows: list[dataset.Letter], pictures: np.ndarray) -> Task:
    """Letters or signs, (N, 28, 28) uint8, as they are split."""
    split = Split(torch.from_numpy(pictures), torch.tensor([classes.index(row.letter) for row in rows]))
    is_held_out = torch.tensor([row.split == "held_out" for row in rows], dtype=torch.bool)
    return Task(classes, split[~is_held_out], split[is_held_out], rows, unlearned=split[is_held_out])


def recipes(params: Finetune, study: Letters | Signs) -> dict[str, Recipe]:
    """The ways of training, by their names: of signs ours alone."""
    last, every = params.last_layer, params.all_layers
    settings = every.model_dump(include={field.name for field in fields(Recipe)})
    if isinstance(study, Signs):
        settings["learning_rate"] = study.learning_rate
    ours = Recipe(
        distortion=Distortion(every.rotation, every.scale, every.shift, every.shear, every.elastic, every.smoothness),
        seed=params.seed,
        shards=params.shards,
        **settings,
    )
    if isinstance(study, Signs):
        return {"all_layers": ours}
    theirs = Recipe(
        epochs=study.epochs,
        batch_size=last.batch_size,
        learning_rate=last.learning_rate,
        momentum=last.momentum,
        weight_decay=0.0,
        distortion=Distortion(rotation=0.0, scale=0.0, shift=0.0),
        seed=params.seed,
        shards=params.shards,
        schedule="constant",
    )
    return {"last_layer": theirs, "all_layers": ours}


def outcome(history: History, n: int) -> dict[str, int | float]:
    """What a way has reached on the `n` pictures held out, and when it read all that it learned from."""
    learned, held_out = history.epochs[-1].scores
    metrics: dict[str, int | float] = scores.accuracy(round(held_out.accuracy * n) if n else 0, n)
    if n:
        metrics["loss"] = round(held_out.loss, 6)
    metrics["train_accuracy"] = round(learned.accuracy, 6)
    perfect = [epoch for epoch in history.epochs if epoch.scores[0].accuracy == 1]
    if perfect:
        metrics |= {"epochs_to_100": perfect[0].epoch, "pictures_to_100": perfect[0].examples}
    return metrics


def write_course(folder: Path, metrics: dict, histories: dict[str, History]) -> None:
    """By the ways' names."""
    files.write_json(folder / "metrics.json", metrics)
    header = ["way", "epoch", "examples", "train_loss", "train_accuracy", "held_out_loss", "held_out_accuracy"]
    rows = [(way, epoch, *epoch.scores) for way, history in histories.items() for epoch in history.epochs]
    files.write_csv(
        folder / "epochs.csv", header, [[way, *e[:3], learned.accuracy, *held] for way, e, learned, held in rows]
    )


def write_readings(folder: Path, readings: list, names: list[str]) -> None:
    header = ["way", "path", "writer", "label", "prediction", "log_probability", *(f"log_p_{name}" for name in names)]
    files.write_csv(folder / "held_out.csv", header, readings)
    ways = list(dict.fromkeys(row[0] for row in readings))
    first = [row for way in ways for row in [row for row in readings if row[0] == way][:FIRST]]
    files.write_csv(folder / "first_letters.csv", header, first)


if __name__ == "__main__":
    run(main, takes_less="a smaller finetune.all_layers.batch_size in params.yaml takes less")
