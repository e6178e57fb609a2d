"""What others do in training and the project does not, as it gains too little here; see `benchmarks.recipes`."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recognition.sweep.task import Cell
from recognition.training.augmentation import Distortion, Draws
from recognition.training.fit import Recipe


@dataclass(frozen=True)
class Erasing(Distortion):
    """And with a square erased: T. DeVries and G. Taylor, "Improved Regularization of Convolutional Neural Networks
    with Cutout", 2017."""

    side: int = 8  # pixels

    def apply(self, ink: Tensor, draws: Draws) -> Tensor:
        """(N, 1, H, W) ink, with paper in the square; a part of it may lie beyond the edge."""
        size = ink.shape[-1]
        places = (draws.matrices[:, :, 2] * 1000).frac().abs() * size  # no draw of its own: the digits no shift needs
        near = (torch.arange(size) + 0.5 - places[:, :, None]).abs() < self.side / 2  # (N, across or down, size)
        return super().apply(ink, draws) * ~(near[:, 0, None, :] & near[:, 1, :, None])[:, None]


class Smoothed(nn.Module):
    """A network whose negative log-likelihood, in training, is the cross-entropy with smoothed labels: C. Szegedy et
    al., "Rethinking the Inception Architecture", 2016."""

    SHARE = 0.1  # of a label that all classes have alike

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        found = self.network(x)
        return torch.lerp(found, found.mean(1, keepdim=True), self.SHARE) if self.training else found


class Averaged(nn.Module):
    """A network that is scored by an average of its weights over the last steps: B. Polyak and A. Juditsky,
    "Acceleration of Stochastic Approximation by Averaging", 1992, in its exponential form."""

    KEPT = 0.995  # of the average, a step: some 200 steps count

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name, parameter in network.named_parameters():
            self.register_buffer(name.replace(".", " "), parameter.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        means = {name: self.get_buffer(name.replace(".", " ")) for name, _ in self.network.named_parameters()}
        if not self.training:
            return functional_call(self.network, means, x)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                means[name].lerp_(parameter, 1 - self.KEPT)
        return self.network(x)


@dataclass(frozen=True)
class Around(Recipe):
    around: type[Smoothed | Averaged] = Smoothed


class CellAround(Cell):
    """A cell whose network is within another; of an Around."""

    def network(self, classes: int) -> nn.Module:
        assert isinstance(self.recipe, Around)
        return self.recipe.around(super().network(classes))


def around(cell: Cell, module: type[Smoothed | Averaged]) -> Cell:
    return CellAround(*cell[:-1], Around(**vars(cell.recipe), around=module))
