"""Draw every figure of the study."""

import json
from pathlib import Path

from recognition.base import alphabet, files
from recognition.base.determinism import pin_torch
from recognition.ink import dataset
from recognition.ink.pictures import prepare, read_grey
from recognition.networks.describe import layers
from recognition.networks.mnistnet import ConvNet
from recognition.telling import figures, filters
from recognition.telling.figures.page import Figure
from recognition.telling.figures.tables import by_way, column, probabilities
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
    drawn = {"fashion": clothes(), **digits(), **own_pictures(), **greek(), **many_networks()}
    for name, figure in drawn.items():
        figures.page.save(figure, FIGURES / f"{name}.png")


def clothes() -> Figure:
    """The first picture of each class in Fashion-MNIST's training set."""
    names = datasets.CLASSES["fashion_mnist"]
    pictures, labels = datasets.load("fashion_mnist", CLOTHES, train=True)
    first = [int((labels == k).nonzero()[0, 0]) for k in range(len(names))]
    return figures.digits.first_digits(pictures[first].numpy(), names)


def digits() -> dict[str, Figure]:
    """The digit network, how it was trained, what it reads and what it sees; writes the table of its filters."""
    network = checkpoints.load(MODEL).network()
    assert isinstance(network, ConvNet)
    test = datasets.load("mnist", DATA, train=False).pictures[:9].numpy()
    first, named = files.read_csv(EVALUATE / "first_digits.csv"), layers(network)
    weights = network.conv1.weight.detach()[:, 0].numpy()
    found = filters.describe(weights)
    chance = filters.by_chance(found, weights.shape[-1])
    header = ["filter", "kind", "orientation", "match", "chance", "edge", "line", "blob"]
    rows = [[i, f.kind, f.orientation, f.match, p, *f[2:]] for i, (f, p) in enumerate(zip(found, chance, strict=True))]
    files.write_csv(TABLES / "filters.csv", header, rows)
    letters_network = checkpoints.load(LETTER_MODELS["greek"]).network()
    responses = filters.respond(test[0] / 255, weights)
    return {
        "fig01_first_digits": figures.digits.first_digits(test[:6], [row["label"] for row in first[:6]]),
        "fig02_network": figures.networks.drawing(named),
        "fig03_printout": figures.networks.printouts([str(network)]),
        "fig04_layer_sizes": figures.networks.layer_sizes(named),
        "fig05_training": training(TRAIN),
        "fig06_predictions": figures.digits.predictions_from_table(test, first),
        "confusion_digits": figures.digits.confusion_from_table(files.read_csv(EVALUATE / "classes.csv")),
        "fig10_filters": figures.filters.first_layer(weights, found, chance),
        "fig11_filtered": figures.filters.filtered_pictures(test[0], weights, responses),
        "fig12_new_head": figures.networks.printouts([str(network), str(letters_network)]),
    }


def training(reports: Path) -> Figure:
    tables = (files.read_csv(reports / f"{name}.csv") for name in ("steps", "epochs"))
    return figures.training.training_curve_from_tables(*tables)


def own_pictures() -> dict[str, Figure]:
    found = {}
    for name, table, folder in (
        ("fig08_handwriting", "readings.csv", PICTURES / "digits"),
        ("handwriting_greek", "letters.csv", PICTURES / "greek"),
    ):
        rows = files.read_csv(RECOGNISE / table)
        labels, predictions = [row["label"] for row in rows], [row["prediction"] for row in rows]
        shown = figures.handwriting.shown(labels, predictions)  # no others are loaded
        paths = {i: Path(rows[i]["path"]) for i in shown}
        found[name] = figures.handwriting.own_pictures(
            {i: (read_grey(path), prepare(path)) for i, path in paths.items()},
            labels,
            predictions,
            column(rows, "probability"),
            [row["known"] == "yes" for row in rows],
            none=f"There are no pictures in {folder}.",
        )
    return found


def greek() -> dict[str, Figure]:
    """The pictures of Greek letters, and for each study its training and its readings."""
    rows = dataset.read_table(LETTERS)
    held_out = [row.split == "held_out" for row in rows]
    samples = [row.letter for row in rows], [row.writer for row in rows], held_out, alphabet.SYMBOLS
    found, read = {}, {}
    shown = {i for row in figures.letters.shown_samples(*samples).values() for i in row}  # no others are loaded
    place = {row.path: i for i, row in enumerate(rows)}
    for study, model in LETTER_MODELS.items():
        classes = checkpoints.load(model).classes
        readings = by_way(files.read_csv(FINETUNE / study / "held_out.csv"))
        *_, ours = readings.values()
        true = [row["label"] for row in ours]
        labels, predictions = ([classes.index(row[key]) for row in ours] for key in ("label", "prediction"))
        counts = scores.confusion(labels, predictions, len(classes))
        curves = figures.training.finetuning_curves_from_table(files.read_csv(FINETUNE / study / "epochs.csv"))
        found[f"confusion_{study}"] = figures.digits.confusion(counts, classes)
        found[f"fig{NUMBERS[study]}_curves_{study}"] = curves
        ways = {way: ([row["prediction"] for row in own], probabilities(own)) for way, own in readings.items()}
        places = [place[row["path"]] for row in ours]
        shown |= {places[i] for i in figures.letters.shown_predictions(true, [names for names, _ in ways.values()])}
        read[f"fig{NUMBERS[study]}_predictions_{study}"] = places, true, ways
    wanted = sorted(shown)
    pictures = dict(zip(wanted, dataset.pictures(LETTERS, [rows[i] for i in wanted]), strict=True))
    found["letters"] = figures.letters.samples(pictures, *samples)
    for name, (places, true, ways) in read.items():
        images = {i: pictures[p] for i, p in enumerate(places) if p in pictures}
        found[name] = figures.letters.predictions(images, true, ways)
    return found


def many_networks() -> dict[str, Figure]:
    """The sweep, its best network with more epochs, and MobileNet."""
    facts, budgets = metrics(SWEEP, "sweep"), files.read_csv(BUDGETS / "budgets.csv")
    cells, means = files.read_csv(SWEEP / "cells.csv"), files.read_csv(SWEEP / "effects.csv")
    return {
        "fig14_sweep": figures.sweep.grid_from_tables(facts, cells, means),
        "fig14_cost": figures.sweep.cost_from_tables(facts, cells),
        "fig15_epochs": figures.sweep.epochs_from_tables(metrics(BUDGETS, "epochs"), budgets),
        "fig16_mobilenet": training(MOBILENET),
    }


def metrics(reports: Path, key: str) -> dict:
    return json.loads((reports / "metrics.json").read_text(encoding="utf-8"))[key]


if __name__ == "__main__":
    run(main)
