"""Draw every figure of the study."""

import json
import math
from pathlib import Path

import numpy as np

from recognition import networks
from recognition.base import alphabet, files
from recognition.base.determinism import pin_torch
from recognition.greek import dataset
from recognition.ink import handwriting
from recognition.sweep import effects
from recognition.telling import figures, filters
from recognition.training import checkpoints, datasets, scores
from stages import run

DATA = Path("data/mnist")
CLOTHES = Path("data/fashion_mnist")
LETTERS = Path("data/greek")
PICTURES = Path("data/handwriting")
MODEL = Path("models/train/checkpoint.pth")
LETTER_MODELS = {name: Path("models/finetune") / name / "all_layers.pth" for name in ("greek", "greek_extended")}
NUMBERS = {"greek": 12, "greek_extended": 13}  # of the original's figures
TRAIN = Path("reports/train")
EVALUATE = Path("reports/evaluate")
FINETUNE = Path("reports/finetune")
RECOGNISE = Path("reports/recognise")
SWEEP = Path("reports/sweep")
BUDGETS = Path("reports/epochs")
MOBILENET = Path("reports/mobilenet")
TABLES = Path("reports/render")
FIGURES = Path("reports/figures")


def main() -> None:
    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    network = checkpoint.network()
    assert isinstance(network, networks.ConvNet)
    test = datasets.load("mnist", DATA, train=False).pictures[:9].numpy()
    first = files.read_csv(EVALUATE / "first_digits.csv")
    layers = networks.layers(network)
    weights = network.conv1.weight.detach()[:, 0].numpy()
    found = filters.describe(weights)
    chance = filters.by_chance(found, weights.shape[-1])
    header = ["filter", "kind", "orientation", "match", "chance", "edge", "line", "blob"]
    rows = [[i, f.kind, f.orientation, f.match, p, *f[2:]] for i, (f, p) in enumerate(zip(found, chance, strict=True))]
    files.write_csv(TABLES / "filters.csv", header, rows)

    drawn = {
        "fashion": clothes(),
        "fig01_first_digits": figures.first_digits(test[:6], [row["label"] for row in first[:6]]),
        "fig02_network": figures.network_drawing(layers),
        "fig03_printout": figures.printouts([str(network)]),
        "fig04_layer_sizes": figures.layer_sizes(layers),
        "fig05_training": training_curve(TRAIN),
        "fig06_predictions": predictions(test, first),
        "fig08_handwriting": own_pictures("readings.csv", PICTURES / "digits"),
        "fig10_filters": figures.first_layer_filters(weights, found, chance),
        "fig11_filtered": figures.filtered_pictures(test[0], weights, filters.respond(test[0] / 255, weights)),
        "fig12_new_head": figures.printouts([str(network), str(checkpoints.load(LETTER_MODELS["greek"]).network())]),
        "fig14_sweep": sweep(),
        "fig14_cost": cost(),
        "fig15_epochs": budgets(),
        "fig16_mobilenet": training_curve(MOBILENET),
        "confusion_digits": confusion(),
        "handwriting_greek": own_pictures("letters.csv", PICTURES / "greek"),
        **greek(),
    }
    for name, figure in drawn.items():
        figures.save(figure, FIGURES / f"{name}.png")


def clothes() -> figures.Figure:
    """The first picture of each class in Fashion-MNIST's training set."""
    names = datasets.CLASSES["fashion_mnist"]
    pictures, labels = datasets.load("fashion_mnist", CLOTHES, train=True)
    first = [int((labels == k).nonzero()[0, 0]) for k in range(len(names))]
    return figures.first_digits(pictures[first].numpy(), names)


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def training_curve(reports: Path) -> figures.Figure:
    steps, epochs = files.read_csv(reports / "steps.csv"), files.read_csv(reports / "epochs.csv")
    return figures.training_curve(
        (column(steps, "examples"), column(steps, "train_loss")),
        (column(epochs, "examples"), column(epochs, "held_out_loss"), 1 - column(epochs, "held_out_accuracy")),
    )


def predictions(pictures: np.ndarray, rows: list[dict[str, str]]):
    rows = rows[: len(pictures)]
    probability = np.exp(column(rows, "log_probability"))
    return figures.predictions(
        pictures, [row["prediction"] for row in rows], [row["label"] for row in rows], probability
    )


def own_pictures(table: str, folder: Path) -> figures.Figure:
    rows = files.read_csv(RECOGNISE / table)
    labels, predictions = [row["label"] for row in rows], [row["prediction"] for row in rows]
    paths = {i: Path(rows[i]["path"]) for i in figures.shown(labels, predictions)}  # no others are loaded
    return figures.handwriting(
        {i: (handwriting.read_grey(path), handwriting.prepare(path)) for i, path in paths.items()},
        labels,
        predictions,
        column(rows, "probability"),
        none=f"There are no pictures in {folder}.",
    )


WAYS = {"last_layer": "last layer alone", "all_layers": "all layers"}


def greek() -> dict[str, figures.Figure]:
    """What there is to see of the Greek letters: the pictures, and for each study its training and its readings."""
    rows, pictures = dataset.load(LETTERS, {row.letter for row in dataset.read_table(LETTERS)})
    by_path = {row.path: picture for row, picture in zip(rows, pictures, strict=True)}
    held_out = [row.split == "held_out" for row in rows]
    names, writers = [row.letter for row in rows], [row.writer for row in rows]
    found = {"letters": figures.letter_samples(pictures, names, writers, held_out, alphabet.SYMBOLS)}
    for study, model in LETTER_MODELS.items():
        classes = checkpoints.load(model).classes
        readings = split_by_way(FINETUNE / study / "held_out.csv")
        curves = split_by_way(FINETUNE / study / "epochs.csv")
        ours = readings["all_layers"]
        labels, predictions = ([classes.index(row[key]) for row in ours] for key in ("label", "prediction"))
        found[f"confusion_{study}"] = figures.confusion(scores.confusion(labels, predictions, len(classes)), classes)
        found[f"fig{NUMBERS[study]}_curves_{study}"] = figures.finetuning_curves(
            {
                WAYS[way]: figures.Curve(*(column(table, key) for key in figures.Curve._fields))
                for way, table in curves.items()
            }
        )
        found[f"fig{NUMBERS[study]}_predictions_{study}"] = figures.letter_predictions(
            np.array([by_path[row["path"]] for row in ours]),
            [row["label"] for row in ours],
            {
                WAYS[way]: ([row["prediction"] for row in table], np.exp(column(table, "log_probability")))
                for way, table in readings.items()
            },
        )
    return found


def split_by_way(table: Path) -> dict[str, list[dict[str, str]]]:
    rows = files.read_csv(table)
    return {way: [row for row in rows if row["way"] == way] for way in WAYS}


def sweep() -> figures.Figure:
    """Every cell of the sweep's grid, and the mean over each level of its dimensions."""
    facts = metrics(SWEEP, "sweep")
    rows = {(row["architecture"], int(row["kernel_size"]), int(row["filters"])): row for row in grid()}
    names, sizes, filters = (sorted(set(own)) for own in zip(*rows, strict=True))
    maps = {
        name: np.array([[float(rows[name, k, f]["held_out_accuracy"]) for f in filters] for k in sizes])
        for name in names
    }
    means = {
        (row["dimension"], row["level"]): float(row["held_out_accuracy"])
        for row in files.read_csv(SWEEP / "effects.csv")
    }
    dimensions = [
        figures.Dimension(
            name.replace("_", " "),
            own,
            np.array([means[name, str(level)] for level in own]),
            effects.number(facts["effects"][name]["threshold"]),
            hypothesis.words,
            facts["effects"][name]["hypothesis"],
        )
        for own, (name, hypothesis) in zip((names, sizes, filters), effects.HYPOTHESES.items(), strict=True)
    ]
    noise, deviation = facts["noise"], facts["noise"]["held_out_sd"]
    spread = (
        f"the printed network under {noise['seeds']} seeds: standard deviation {100 * deviation:.2f}"
        if deviation is not None
        else "noise not measured"
    )
    return figures.sweep(maps, sizes, filters, dimensions, spread)


def grid() -> list[dict[str, str]]:
    """The sweep's networks without the repeats of the printed one under other seeds."""
    rows = files.read_csv(SWEEP / "cells.csv")
    return [row for row in rows if row["grid"] == "1"]


def cost() -> figures.Figure:
    rows = grid()
    macs, accuracy = column(rows, "macs"), column(rows, "held_out_accuracy")
    names = [f"{row['architecture']}, kernel {row['kernel_size']}, {row['filters']} filters" for row in rows]
    front = effects.front(macs.tolist(), accuracy.tolist())
    chance = effects.Noise.of(metrics(SWEEP, "sweep")["noise"]).threshold(levels=2, cells=1)
    return figures.accuracy_against_cost([row["architecture"] for row in rows], names, macs, accuracy, front, chance)


def budgets() -> figures.Figure:
    facts, rows = metrics(BUDGETS, "epochs"), files.read_csv(BUDGETS / "budgets.csv")
    network = f"{facts['architecture']}, kernel {facts['kernel_size']}, {facts['filters']} filters"
    limit, most = effects.number(facts["threshold"]), int(rows[-1]["epochs"])
    says = f"; beyond {facts['enough']} epochs no gain exceeds the noise, {100 * limit:.2f} points"
    if len(rows) == 1:
        says = ""
    elif math.isnan(limit):
        says = "; noise not measured"
    elif facts["enough"] == most:
        says = f"; still gaining at {most} epochs, more than the noise of {100 * limit:.2f} points"
    test = column(rows, "test_accuracy"), column(rows, "test_accuracy_low"), column(rows, "test_accuracy_high")
    return figures.accuracy_by_epochs(column(rows, "epochs"), column(rows, "held_out_accuracy"), test, network + says)


def metrics(reports: Path, key: str) -> dict:
    return json.loads((reports / "metrics.json").read_text(encoding="utf-8"))[key]


def confusion():
    rows = files.read_csv(EVALUATE / "classes.csv")
    classes = [row["label"] for row in rows]
    return figures.confusion(np.array([[int(row[f"read_as_{name}"]) for name in classes] for row in rows]), classes)


if __name__ == "__main__":
    run(main)
