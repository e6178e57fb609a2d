"""What a network says of pictures, and how right it is."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognition.networks.quick import draw_dropout_from, quicken
from recognition.training.datasets import Normalisation, Split


class Score(NamedTuple):
    """How a network does on a set of pictures; nan for none."""

    loss: float  # mean negative log-likelihood, nats
    accuracy: float


@torch.no_grad()
def log_probabilities(
    network: nn.Module,
    pictures: Tensor,
    normalisation: Normalisation,
    batch: int = 250,
    dropout: torch.Generator | None = None,
) -> Tensor:
    """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities, on the device of the pictures.

    Dropout is off, unless it is given a generator to draw from. On a GPU the network is left in that mode.
    """
    network = quicken(network).train(dropout is not None)
    if dropout is not None:
        draw_dropout_from(network, dropout)
    return torch.cat([network(normalisation(part.unsqueeze(1))) for part in pictures.split(batch)])


def score(found: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood in nats, and 1.0 where the best match is right, of (N, classes) log-probabilities.

    Both (N,) float64.
    """
    losses = F.nll_loss(found.to(torch.float64), labels, reduction="none")
    return losses, (found.argmax(1) == labels).to(torch.float64)


def mean_score(network: nn.Module, split: Split, normalisation: Normalisation, mirrored: bool = False) -> Score:
    """Of a network that has learned from `mirrored` pictures, too, the mean of what it says of a picture and of its
    mirror image: (N, 28, 28) uint8 pictures."""
    found = log_probabilities(network, split.pictures, normalisation)
    if mirrored:
        other = log_probabilities(network, split.pictures.flip(-1), normalisation)
        found = torch.logaddexp(found, other) - math.log(2)
    losses, correct = score(found, split.labels)
    return Score(losses.mean().item(), correct.mean().item())
