"""Data sets as tensors in memory: one uint8 tensor of pictures, one of labels."""

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from recognition.base.determinism import generator
from recognition.base.errors import UserError
from recognition.base.fingerprints import digest

READERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # in torchvision.datasets
CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CLASSES = {"mnist": [str(digit) for digit in range(10)], "fashion_mnist": CLOTHES}


class Split(NamedTuple):
    """A set of labelled pictures."""

    pictures: Tensor  # (N, 28, 28) uint8, ink light on black
    labels: Tensor  # (N,) int64

    def __getitem__(self, index):  # a split of the chosen pictures, not a field
        return Split(self.pictures[index], self.labels[index])

    def to(self, device: str) -> "Split":
        return Split(self.pictures.to(device), self.labels.to(device))

    def balanced(self, n: int) -> "Split":
        """Each class `n` times, its pictures over and over; as often as the commonest one here, if that is more."""
        places = self.by_class()
        n = max(n, *map(len, places))
        return self[torch.cat([place[torch.arange(n) % len(place)] for place in places])]

    def of_each(self, part: slice) -> "Split":
        """A part of each class, in its order."""
        return self[torch.cat([place[part] for place in self.by_class()])]

    def followed_by(self, other: "Split") -> "Split":
        return Split(torch.cat([self.pictures, other.pictures]), torch.cat([self.labels, other.labels]))

    def by_class(self) -> list[Tensor]:
        """The places of each class's pictures."""
        return [(self.labels == label).nonzero().flatten() for label in self.labels.unique()]


class Normalisation(NamedTuple):
    """Mean and standard deviation of the pixels, on the scale of 0 to 1."""

    mean: float
    deviation: float

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 1, H, W) pictures, 0 to 255, to the input of a network, mean 0 and deviation 1."""
        return (pictures - 255 * self.mean).mul_(1 / (255 * self.deviation))


class Data(NamedTuple):
    """What a network learns from and is scored on."""

    train: Split
    held_out: Split
    test: Split
    normalisation: Normalisation
    classes: int

    def digests(self) -> list[str]:
        return [digest(part.numpy()) for split in self[:3] for part in split]


def fashion(root: Path, held_out: int, seed: int) -> Data:
    """FashionMNIST, `held_out` pictures of its training set kept for choosing."""
    whole, test = (load("fashion_mnist", root, train=train) for train in (True, False))
    train, rest = hold_out(whole, held_out, generator(seed, "held out"))
    return Data(train, rest, test, normalisation(train.pictures), len(CLASSES["fashion_mnist"]))


def load(name: str, root: Path, train: bool) -> Split:
    """The training or the test pictures of a downloaded data set, read by torchvision's own class."""
    from torchvision import datasets  # a second, which a process that reads none of them is spared

    try:
        dataset = getattr(datasets, READERS[name])(root, train=train)
    except RuntimeError:
        raise UserError(
            f"{root}: the {name} pictures are not there; `dvc repro download@{name}` fetches them"
        ) from None
    return Split(dataset.data, dataset.targets)


def hold_out(split: Split, n: int, generator: torch.Generator) -> tuple[Split, Split]:
    """Split off `n` pictures by chance: (the rest, those held out), each in its former order."""
    held_out = torch.zeros(len(split.labels), dtype=torch.bool)
    held_out[torch.randperm(len(split.labels), generator=generator)[:n]] = True
    return split[~held_out], split[held_out]


def normalisation(pictures: Tensor) -> Normalisation:
    """The mean and deviation of all pixels, from exact integer sums."""
    counts = torch.bincount(pictures.flatten(), minlength=256).to(torch.float64)
    share = counts / counts.sum()
    level = torch.arange(256, dtype=torch.float64) / 255
    mean = (share * level).sum()
    return Normalisation(mean.item(), math.sqrt(((share * level * level).sum() - mean * mean).item()))
