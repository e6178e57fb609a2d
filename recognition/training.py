"""Training a network: stochastic gradient descent with Nesterov momentum on a one-cycle schedule."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognition import files
from recognition.datasets import Normalisation, Split
from recognition.determinism import generator
from recognition.dropout import Dropout
from recognition.errors import UserError

STEPS_PER_POINT = 50  # steps whose mean training loss is one point of the curve
WARM_UP = 0.3  # share of the schedule in which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch_size: int
    learning_rate: float  # the peak of the schedule
    momentum: float
    weight_decay: float
    seed: int


class Epoch(NamedTuple):
    epoch: int
    examples: int  # seen since the start
    train_loss: float  # mean over the epoch, dropout on
    held_out_loss: float
    held_out_accuracy: float


class Point(NamedTuple):
    examples: int
    train_loss: float  # mean of the last steps


class History(NamedTuple):
    epochs: list[Epoch]
    points: list[Point]
    best: dict[str, Tensor]  # the weights after the epoch of the lowest training loss


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate at a share `progress` of the schedule: cosine up from peak / 25, then down to peak / 250,000.

    Smith and Topin, "Super-Convergence", 2018; the defaults of torch.optim.lr_scheduler.OneCycleLR.
    """
    start, end = peak / 25, peak / 25 / 1e4
    if progress < WARM_UP:
        low, high, phase = start, peak, progress / WARM_UP
    else:
        low, high, phase = end, peak, (1 - progress) / (1 - WARM_UP)
    return low + (high - low) * (1 - math.cos(math.pi * phase)) / 2


def fit(
    network: nn.Module,
    train: Split,
    held_out: Split,
    normalisation: Normalisation,
    recipe: Recipe,
    device: str,
    kept: Path,
    seen: Callable[[int], None],
) -> History:
    """Train `network` in place, and score it on the held-out pictures after every epoch.

    The state after each epoch is kept in the file `kept`; a killed training called again goes on from there and ends
    with the same bytes. `seen` is called with the number of pictures seen since its last call.
    """
    network.to(device)
    train, held_out = (Split(split.pictures.to(device), split.labels.to(device)) for split in (train, held_out))
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
        fused=True,
    )
    epochs, points, best = resume(kept, network, optimizer)
    seen(epochs[-1].examples if epochs else 0)
    for epoch in range(len(epochs) + 1, recipe.epochs + 1):
        curve = train_epoch(network, optimizer, train, normalisation, recipe, epoch, seen)
        losses, correct = score(log_probabilities(network, held_out.pictures, normalisation), held_out.labels)
        mean_loss = sum(loss * n for n, loss in curve) / len(train.labels)
        if not math.isfinite(mean_loss):
            raise UserError(
                f"the training loss is {mean_loss} in epoch {epoch}; lower train.learning_rate in params.yaml"
            )
        if mean_loss < min((e.train_loss for e in epochs), default=math.inf):
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        examples = (epoch - 1) * len(train.labels)
        epochs.append(Epoch(epoch, epoch * len(train.labels), mean_loss, losses.mean().item(), correct.mean().item()))
        for n, loss in curve:
            points.append(Point(examples := examples + n, loss))
        keep(kept, network, optimizer, epochs, points, best)
    return History(epochs, points, best)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Split,
    normalisation: Normalisation,
    recipe: Recipe,
    epoch: int,
    seen: Callable[[int], None],
) -> list[tuple[int, float]]:
    """One pass over the training pictures, `epoch` counted from 1.

    Returns (pictures, mean loss) of every STEPS_PER_POINT steps.
    """
    n, device = len(train.labels), train.labels.device
    order = torch.randperm(n, generator=generator(recipe.seed, "order", epoch)).to(device)
    draws = generator(recipe.seed, "dropout", epoch, device=device.type)
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.generator = draws
    network.train()
    batches = order.split(recipe.batch_size)
    sums, counts = [], []
    for step, batch in enumerate(batches):
        rate = one_cycle((epoch - 1 + step / len(batches)) / recipe.epochs, recipe.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = F.nll_loss(network(normalisation(train.pictures[batch])), train.labels[batch])
        loss.backward()
        optimizer.step()
        if step % STEPS_PER_POINT == 0:
            seen(sum(counts[-1:]))
            sums.append(torch.zeros((), device=device))
            counts.append(0)
        sums[-1] += loss.detach() * len(batch)
        counts[-1] += len(batch)
    seen(counts[-1])
    return [
        (n, loss) for n, loss in zip(counts, (torch.stack(sums).cpu() / torch.tensor(counts)).tolist(), strict=True)
    ]


@torch.no_grad()
def log_probabilities(network: nn.Module, pictures: Tensor, normalisation: Normalisation, batch: int = 1000) -> Tensor:
    """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities, dropout off; on the device of the pictures."""
    network.eval()
    return torch.cat([network(normalisation(part)) for part in pictures.split(batch)])


def score(found: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood in nats, and 1.0 where the best match is right, of (N, classes) log-probabilities.

    Both (N,) float64.
    """
    losses = F.nll_loss(found.to(torch.float64), labels, reduction="none")
    return losses, (found.argmax(1) == labels).to(torch.float64)


def keep(path, network, optimizer, epochs, points, best) -> None:
    """Write the state after an epoch, whole or not at all."""
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epochs": [tuple(epoch) for epoch in epochs],
        "points": [tuple(point) for point in points],
        "best": best,
    }
    files.write_bytes(path, serialised(state))


def resume(path, network, optimizer) -> tuple[list[Epoch], list[Point], dict[str, Tensor]]:
    """Put network and optimizer into the state kept last; without one leave them as they are, with an empty history."""
    if not path.exists():
        return [], [], {}
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return [Epoch(*epoch) for epoch in state["epochs"]], [Point(*point) for point in state["points"]], state["best"]


def serialised(state: object) -> bytes:
    """torch.save to memory: saved to a file, the bytes would depend on the file's name."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def device(wanted: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises UserError where cuda is wanted and there is none."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise UserError(
            "params.yaml: train.device: cuda is wanted, but torch finds no such device here; try auto or cpu"
        )
    return "cuda" if there and wanted != "cpu" else "cpu"
