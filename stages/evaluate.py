"""Score mnistNet on the test set, which nothing else has seen."""

from pathlib import Path

import torch
from torch import Tensor

from recognition.base import files
from recognition.base.determinism import generator, pin_torch
from recognition.networks.quick.dropout import Dropout
from recognition.training import checkpoints, datasets, fit, scores
from stages import run

DATA = Path("data/mnist")
MODEL = Path("models/train/checkpoint.pth")
REPORTS = Path("reports/evaluate")
FIRST = 10  # test digits whose log-probabilities are written out, as in the original report


def main() -> None:
    pin_torch()
    checkpoint = checkpoints.load(MODEL)
    classes = checkpoint.classes
    test = datasets.load("mnist", DATA, train=False)
    found = fit.log_probabilities(checkpoint.network(), test.pictures, checkpoint.normalisation)
    losses, correct = fit.score(found, test.labels)
    predictions = found.argmax(1)
    counts = scores.confusion(test.labels.numpy(), predictions.numpy(), len(classes))

    n, *shares = scores.accuracy(int(correct.sum()), len(test.labels)).items()
    metrics = dict([n, *((f"test_{name}", value) for name, value in shares)])
    metrics["test_loss"] = round(losses.mean().item(), 6)
    losses, correct = fit.score(with_dropout_on(checkpoint, test.pictures), test.labels)
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


@torch.no_grad()
def with_dropout_on(checkpoint: checkpoints.Checkpoint, pictures: Tensor, batch: int = 250) -> Tensor:
    """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities, with dropout, whose draws are always the same."""
    network = checkpoint.network().train()
    draws = generator(0, "dropout on")
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.generator = draws
    parts = pictures.unsqueeze(1).split(batch)
    return torch.cat([network(checkpoint.normalisation(part)) for part in parts])


if __name__ == "__main__":
    run(main)
