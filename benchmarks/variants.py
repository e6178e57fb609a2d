"""What others do in training that the project's own does not; `benchmarks.recipes` measures what it would gain here."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recognition.base import fingerprints
from recognition.sweep.task import Cell
from recognition.training.augmentation import Distortion, Draws
from recognition.training.fit import Recipe

CODE = fingerprints.digest(repr(fingerprints.code(__file__)).encode())  # in the names of outcomes in the sweep's store


class Holes(Draws):
    holes: Tensor  # (n, 5): left, top, right and bottom as shares of the picture, and what is put there, 0 to 255

    def each(self, change) -> "Holes":
        found = Holes(*super().each(change))
        found.holes = change(self.holes)
        return found


@dataclass(frozen=True)
class Erasing(Distortion):
    """And half of the pictures with a rectangle of one grey: Z. Zhong et al., "Random Erasing Data Augmentation", 2017,
    in all its shares, but that theirs draws every pixel of it, and another where one reaches beyond the edge."""

    chance: float = 0.5
    smallest: float = 0.02  # share of the area
    largest: float = 0.4
    longest: float = 1 / 0.3  # height over width, or width over height
    code: str = CODE

    def draw(self, n: int, size: int, generator: torch.Generator) -> Holes:
        found = Holes(*super().draw(n, size, generator))
        whether, area, aspect, across, down, grey = torch.rand(6, n, generator=generator).unbind()
        area = (self.smallest + (self.largest - self.smallest) * area) * (whether < self.chance)
        ratio = (math.log(self.longest) * (2 * aspect - 1)).exp()
        high, wide = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
        left, top = across * (1 - wide), down * (1 - high)
        found.holes = torch.stack([left, top, left + wide, top + high, (255 * grey).round()], dim=1)
        return found

    def apply(self, ink: Tensor, draws: Draws) -> Tensor:
        assert isinstance(draws, Holes)
        middles = (torch.arange(ink.shape[-1]) + 0.5) / ink.shape[-1]
        left, top, right, bottom, grey = draws.holes[:, :, None].unbind(1)  # each (N, 1)
        columns, rows = (left <= middles) & (middles < right), (top <= middles) & (middles < bottom)
        hole = (rows[:, :, None] & columns[:, None, :])[:, None]
        return torch.where(hole, grey[:, :, None, None], super().apply(ink, draws))


@dataclass(frozen=True)
class Moving(Distortion):
    """Where `shift` is 1.0: by whole pixels, which blurs nothing, each as likely as the others."""

    furthest: int = 1
    code: str = CODE

    def draw(self, n: int, size: int, generator: torch.Generator) -> Draws:
        found = super().draw(n, size, generator)
        found.matrices[:, :, 2] = (found.matrices[:, :, 2] * (self.furthest + 0.5)).round()
        return found


class Smoothed(nn.Module):
    """A network whose negative log-likelihood, in training, is the cross-entropy with labels of which all classes have
    a share alike: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016."""

    def __init__(self, network: nn.Module, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, x: Tensor) -> Tensor:
        found = self.network(x)
        return torch.lerp(found, found.mean(1, keepdim=True), self.share) if self.training else found


class Averaged(nn.Module):
    """A network that is scored by a running average of its weights, of which a step leaves the share `kept`: B. Polyak
    and A. Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, in its exponential form."""

    def __init__(self, network: nn.Module, kept: float) -> None:
        super().__init__()
        self.network, self.kept = network, kept
        for name, parameter in network.named_parameters():
            self.register_buffer(name.replace(".", " "), parameter.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        means = {name: self.get_buffer(name.replace(".", " ")) for name, _ in self.network.named_parameters()}
        if not self.training:
            return functional_call(self.network, means, x)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                means[name].lerp_(parameter, 1 - self.kept)
        return self.network(x)


@dataclass(frozen=True)
class Around(Recipe):
    around: type[Smoothed | Averaged] = Smoothed
    setting: float = 0.0  # its second argument
    code: str = CODE


class CellAround(Cell):
    """A cell whose network is within another; of an Around."""

    def network(self, classes: int) -> nn.Module:
        assert isinstance(self.recipe, Around)
        return self.recipe.around(super().network(classes), self.recipe.setting)


def around(cell: Cell, module: type[Smoothed | Averaged], setting: float) -> Cell:
    return CellAround(*cell[:-1], Around(**vars(cell.recipe), around=module, setting=setting))
