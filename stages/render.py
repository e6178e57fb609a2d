"""Draw every figure of the study."""

from pathlib import Path

import numpy as np

from recognition import checkpoints, datasets, figures, files, filters, handwriting, networks
from recognition.determinism import pin_torch
from stages import run

DATA = Path("data/mnist")
PICTURES = Path("data/handwriting/digits")
MODEL = Path("models/train/checkpoint.pth")
TRAIN = Path("reports/train")
EVALUATE = Path("reports/evaluate")
RECOGNISE = Path("reports/recognise")
TABLES = Path("reports/render")
FIGURES = Path("reports/figures")


def main() -> None:
    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    network = checkpoint.network()
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
        "fig01_first_digits": figures.first_digits(test[:6], [row["label"] for row in first[:6]]),
        "fig02_network": figures.network_drawing(layers),
        "fig03_printout": figures.printouts([str(network)]),
        "fig04_layer_sizes": figures.layer_sizes(layers),
        "fig05_training": training_curve(),
        "fig06_predictions": predictions(test, first),
        "fig08_handwriting": own_digits(),
        "fig10_filters": figures.first_layer_filters(weights, found, chance),
        "fig11_filtered": figures.filtered_pictures(test[0], weights, filters.respond(test[0] / 255, weights)),
        "confusion_digits": confusion(),
    }
    for name, figure in drawn.items():
        figures.save(figure, FIGURES / f"{name}.png")


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def training_curve():
    steps, epochs = files.read_csv(TRAIN / "steps.csv"), files.read_csv(TRAIN / "epochs.csv")
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


def own_digits():
    rows = files.read_csv(RECOGNISE / "readings.csv")
    paths = [Path(row["path"]) for row in rows]
    return figures.handwriting(
        [handwriting.read_grey(path) for path in paths],
        [handwriting.prepare(path) for path in paths],
        [row["label"] for row in rows],
        [row["prediction"] for row in rows],
        column(rows, "probability"),
        none=f"There are no pictures in {PICTURES}.",
    )


def confusion():
    rows = files.read_csv(EVALUATE / "classes.csv")
    classes = [row["label"] for row in rows]
    return figures.confusion(np.array([[int(row[f"read_as_{name}"]) for name in classes] for row in rows]), classes)


if __name__ == "__main__":
    run(main)
