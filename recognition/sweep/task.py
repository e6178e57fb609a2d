"""One network of many: what it is, how it is trained and scored, in whatever process and on whatever machine."""

import io
from collections.abc import Callable
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from recognition import networks
from recognition.base import files, fingerprints
from recognition.base.determinism import generator, pin_torch
from recognition.base.errors import UserError
from recognition.training import datasets, fit
from recognition.training.augmentation import Distortion
from recognition.training.checkpoints import serialised
from recognition.training.datasets import Normalisation, Split
from recognition.training.fit import Recipe, Score


class Cell(NamedTuple):
    architecture: str  # a key of networks.ARCHITECTURES
    kernel_size: int  # of every convolution
    filters: int  # channels of the first convolution
    dropout: float
    recipe: Recipe

    def network(self, classes: int) -> torch.nn.Module:
        """The untrained network, its weights drawn by the recipe's seed."""
        arguments = {
            "classes": classes,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dropout": self.dropout,
        }
        return networks.build(self.architecture, arguments, generator(self.recipe.seed, "weights"))


def cell(
    architecture: str,
    kernel_size: int,
    filters: int,
    seed: int,
    *,
    epochs: int,
    dropout: float,
    **settings: Any,
) -> Cell:
    """A cell trained on one thread, its pictures as they are; `settings` are the other fields of a Recipe."""
    still = Distortion(0.0, 0.0, 0.0)
    recipe = Recipe(epochs=epochs, distortion=still, seed=seed, shards=1, **settings)
    return Cell(architecture, kernel_size, filters, dropout, recipe)


class Size(NamedTuple):
    parameters: int
    macs: int  # see networks.macs


class Data(NamedTuple):
    """What every cell learns from and is scored on."""

    train: Split
    held_out: Split
    test: Split
    normalisation: Normalisation
    classes: int

    def digests(self) -> list[str]:
        return [fingerprints.digest(part.numpy()) for split in self[:3] for part in split]


def load(root: Path, held_out: int, seed: int) -> Data:
    """FashionMNIST, `held_out` pictures of its training set kept for choosing."""
    whole, test = (datasets.load("fashion_mnist", root, train=train) for train in (True, False))
    train, rest = datasets.hold_out(whole, held_out, generator(seed, "held out"))
    return Data(train, rest, test, datasets.normalisation(train.pictures), len(datasets.CLASSES["fashion_mnist"]))


class Outcome(NamedTuple):
    train_loss: float  # of the last epoch, dropout on
    held_out: Score
    test: Score


@cache
def size(architecture: str, kernel_size: int, filters: int, classes: int) -> Size:
    """The size of a network, without building it."""
    with torch.device("meta"):
        network = networks.ARCHITECTURES[architecture](classes=classes, filters=filters, kernel_size=kernel_size)
    return Size(sum(p.numel() for p in network.parameters()), networks.macs(network))


def compute(cell: Cell, shared: Callable[[], Data], device: str, kept: Path | None) -> Outcome:
    """Train a cell's network and score it. The outcome depends on cell and data alone (and on the kind of device).

    `shared` gives the data where this runs; `kept` is the file of its state after an epoch, for a training that is
    killed.
    """
    pin_torch()
    data = shared()
    network = cell.network(data.classes)
    try:
        history = fit.fit(
            network, data.train, [data.held_out], data.normalisation, cell.recipe, device, kept, lambda n: None
        )
        test = fit.mean_score(network, data.test.to(device), data.normalisation)
    except torch.OutOfMemoryError:
        raise UserError("the GPU's memory is full; lower sweep.workers in params.yaml") from None
    return Outcome(history.epochs[-1].train_loss, history.epochs[-1].scores[0], test)


def share(data: Data, folder: Path) -> Callable[[], Data]:
    """Write the data to a file of `folder` that every process of this machine maps into memory: one copy for all."""
    path = folder / f"{fingerprints.of(__file__, data.digests())}.pt"
    files.write_bytes(path, pack(data))  # also where it is: to read and check it would take as long
    fingerprints.prune(folder, newest=8)  # other runs at the same time have data of their own
    return partial(mapped, path)


@lru_cache(maxsize=1)
def mapped(path: Path) -> Data:
    return restored(torch.load(path, mmap=True, weights_only=True))


def pack(data: Data) -> bytes:
    splits = [tuple(part.contiguous() for part in split) for split in data[:3]]
    return serialised([splits, tuple(data.normalisation), data.classes])


def unpack(packed: bytes) -> Data:
    return restored(torch.load(io.BytesIO(packed), weights_only=True))


def restored(state: list) -> Data:
    splits, normalisation, classes = state
    train, held_out, test = (Split(*split) for split in splits)
    return Data(train, held_out, test, Normalisation(*normalisation), classes)
