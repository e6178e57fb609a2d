"""Score mnistNet on the test set, which nothing else has seen, and on what it is not to know."""

from pathlib import Path

from recognition.base import files
from recognition.base.determinism import generator, pin_torch
from recognition.training import checkpoints, datasets, evaluation, scores
from stages import run

DATA = Path("data/mnist")
CLOTHES = Path("data/fashion_mnist")
MODEL = Path("models/train/checkpoint.pth")
REPORTS = Path("reports/evaluate")
FIRST = 10  # test digits whose log-probabilities are written out, as in the original report


def main() -> None:
    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    classes = checkpoint.classes
    test = datasets.load("mnist", DATA, train=False)
    network, scale = checkpoint.network(), checkpoint.normalisation
    found, known = checkpoint.read(test.pictures)
    losses, correct = evaluation.score(found, test.labels)
    predictions = found.argmax(1)
    counts = scores.confusion(test.labels.numpy(), predictions.numpy(), len(classes))

    n, *shares = scores.accuracy(int(correct.sum()), len(test.labels)).items()
    metrics = dict([n, *((f"test_{name}", value) for name, value in shares)])
    metrics["test_loss"] = round(losses.mean().item(), 6)
    _, clothes = checkpoint.read(datasets.load("fashion_mnist", CLOTHES, train=False).pictures)
    for name, those in {"known": known, "clothes_known": clothes}.items():
        metrics[name] = round(those.double().mean().item(), 6)
    dropped = evaluation.log_probabilities(network, test.pictures, scale, dropout=generator(0, "dropout on"))
    losses, correct = evaluation.score(dropped, test.labels)
    metrics["dropout_on_accuracy"] = round(correct.mean().item(), 6)  # as the original report's was scored
    metrics["dropout_on_loss"] = round(losses.mean().item(), 6)
    files.write_json(REPORTS / "metrics.json", {"mnist": metrics})
    rows = [
        [name, *scores.accuracy(int(row[k]), int(row.sum())).values(), *row.tolist()]
        for k, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]
    read_as = [f"read_as_{name}" for name in classes]
    files.write_csv(
        REPORTS / "classes.csv", ["label", "n", "accuracy", "accuracy_low", "accuracy_high", *read_as], rows
    )
    readings = [[classes[label], classes[found]] for label, found in zip(test.labels, predictions, strict=True)]
    files.write_csv(REPORTS / "confusion.csv", ["label", "prediction"], readings)  # as `dvc plots` counts it
    files.write_csv(
        REPORTS / "first_digits.csv",
        ["picture", "label", "prediction", "log_probability", *(f"log_p_{name}" for name in classes)],
        [
            [i, classes[test.labels[i]], classes[predictions[i]], found[i].max().item(), *found[i].tolist()]
            for i in range(FIRST)
        ],
    )


if __name__ == "__main__":
    run(main)
