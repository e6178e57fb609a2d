"""One network of many: what it is, how it is trained and scored, in whatever process and on whatever machine."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import torch

from recognition import networks
from recognition.base.determinism import generator, pin_torch
from recognition.training import evaluation, fit
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Data
from recognition.training.evaluation import Score
from recognition.training.fit import Recipe

PRINTED = ("MnistNet", 5, 10)  # the report's mnistNet: architecture, kernel size, filters
PRINTED_DROPOUT = 0.5
TRAINING = Lock()  # on a GPU dropout draws from a process's one generator, and a Dask worker may have several threads


class Cell(NamedTuple):
    architecture: str  # a key of networks.ARCHITECTURES
    kernel_size: int  # of every convolution
    filters: int  # channels of the first convolution
    dropout: float
    recipe: Recipe

    def network(self, classes: int) -> torch.nn.Module:
        """The untrained network, its weights drawn by the recipe's seed, for this cell alone."""
        arguments = {
            "classes": classes,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
        }
        return networks.build(
            self.architecture, arguments, generator(self.recipe.seed, *self.recipe.purpose, "weights")
        )


def cell(
    architecture: str,
    kernel_size: int,
    filters: int,
    seed: int,
    *,
    epochs: int,
    dropout: float,
    mirrored: bool = False,
    **settings: Any,
) -> Cell:
    """A cell trained on one thread, its pictures as they are, or `mirrored` by chance.

    `settings` are the other fields of a Recipe. Its weights, order and dropout are drawn for it alone: with draws in
    common, 5 filters would begin as the first 5 of 90, and the cells of a level would not be independent.
    """
    still = Distortion(0.0, 0.0, 0.0, mirrored=mirrored)
    key = (architecture, kernel_size, filters)
    recipe = Recipe(epochs=epochs, distortion=still, seed=seed, shards=1, purpose=key, **settings)
    return Cell(architecture, kernel_size, filters, dropout, recipe)


class Outcome(NamedTuple):
    train_loss: float  # of the last epoch, dropout on
    held_out: Score
    test: Score


def compute(cell: Cell, provided: Callable[[], Data], device: str, kept: Path | None) -> Outcome:
    """Train a cell's network and score it. The outcome depends on cell and data alone (and on what computes).

    `provided` gives the data where this runs; `kept` is the file of its state after an epoch, for a training that is
    killed.
    """
    pin_torch()
    data = provided()
    with TRAINING if device == "cuda" else nullcontext():
        network = cell.network(data.classes)
        history = fit.fit(
            network, data.train, [data.held_out], data.normalisation, cell.recipe, device, kept, lambda n: None
        )
        test = evaluation.mean_score(network, data.test.to(device), data.normalisation, cell.recipe.distortion.mirrored)
    return Outcome(history.epochs[-1].train_loss, history.epochs[-1].scores[0], test)
