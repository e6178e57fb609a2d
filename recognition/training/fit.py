"""Training a network: stochastic gradient descent, by default with Nesterov momentum on a one-cycle schedule."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognition.base.determinism import generator
from recognition.base.errors import UserError
from recognition.networks.quick import draw_dropout_from, quicken, without_dropout
from recognition.training import optimizers
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Normalisation, Split
from recognition.training.evaluation import mean_score
from recognition.training.history import Epoch, History, Point, keep, resume

STEPS_PER_POINT = 20  # steps whose mean training loss is one point of the curve
KEEP_EVERY = 1.0  # seconds, at least, between two states that are kept and told: small epochs are as short as that


def one_cycle(progress: float, peak: float, warm_up: float) -> float:
    """Learning rate at a share `progress` of the schedule: cosine up from peak / 25, then down to peak / 250,000.

    `warm_up` is the share in which it rises. Smith and Topin, "Super-Convergence", 2018, as in
    torch.optim.lr_scheduler.OneCycleLR.
    """
    start, end = peak / 25, peak / 25 / 1e4
    if progress < warm_up:
        low, high, phase = start, peak, progress / warm_up
    else:
        low, high, phase = end, peak, (1 - progress) / (1 - warm_up)
    return low + (high - low) * (1 - math.cos(math.pi * phase)) / 2


def constant(progress: float, peak: float, warm_up: float) -> float:
    """The same learning rate all the time."""
    return peak


SCHEDULES = {"one_cycle": one_cycle, "constant": constant}


@dataclass(frozen=True)
class Recipe:
    epochs: int
    batch_size: int
    learning_rate: float  # the peak of the schedule
    momentum: float
    weight_decay: float
    distortion: Distortion
    seed: int
    shards: int  # pieces of a batch that are computed side by side
    schedule: str = "one_cycle"  # one of SCHEDULES
    warm_up: float = 0.3  # share of the one-cycle schedule in which the learning rate rises
    optimizer: str = "sgd"  # see optimizers.optimizer
    dropout_epochs: int | None = None  # after which dropout is off, as in the original's program after one; None: never
    purpose: tuple[object, ...] = ()  # tells this training's draws from those of another with the same seed


class Shards:
    """The gradient of a batch, in `n` pieces side by side, each on one thread.

    Threads inside an operation meet at its end, some 60 times a step: two of them gain 1.5 times on an idle machine,
    and on a busy one they wait for each other, spinning, and run at a tenth. Pieces of a batch meet once a step.
    The pieces are added in their order, so the result depends on n but never on the number of cores.
    """

    def __init__(self, network: nn.Module, n: int) -> None:
        self.replicas = [network, *(replica(network) for _ in range(n - 1))]
        self.parameters = [trained(network) for network in self.replicas]
        self.pool = ThreadPoolExecutor(max(1, n - 1))

    def begin(self, recipe: Recipe, epoch: int) -> None:
        """Set every piece to learn, with its own draws for an epoch."""
        for number, network in enumerate(self.replicas):
            network.train()
            if recipe.dropout_epochs is not None and epoch > recipe.dropout_epochs:
                without_dropout(network)
            draw_dropout_from(network, generator(recipe.seed, *recipe.purpose, "dropout", epoch, number))

    def backward(self, prepare: Callable[[slice], tuple[Tensor, Tensor]], batch: range) -> Tensor:
        """Set the parameters' gradients to those of the batch's mean loss; returns that loss.

        `prepare` makes the network's input and its labels of a part of the batch, each piece for itself.
        """

        def piece(number: int, part: range) -> tuple[Tensor, tuple[Tensor, ...]]:
            x, labels = prepare(slice(part.start, part.stop))
            loss = F.nll_loss(self.replicas[number](x), labels, reduction="sum") / len(batch)
            return loss.detach(), torch.autograd.grad(loss, self.parameters[number])

        size = -(-len(batch) // len(self.replicas))
        first, *others = (batch[start : start + size] for start in range(0, len(batch), size))
        futures = [self.pool.submit(piece, number, part) for number, part in enumerate(others, start=1)]
        loss, total = piece(0, first)
        for future in futures:
            other, gradients = future.result()
            loss += other
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(self.parameters[0], total, strict=True):
            parameter.grad = gradient
        return loss


def trained(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def replica(network: nn.Module) -> nn.Module:
    """The same network, its weights shared, with gradients and dropout draws of its own."""
    copy = deepcopy(network)
    for own, shared in zip(copy.parameters(), network.parameters(), strict=True):
        own.data = shared.data
    return copy


def fit(
    network: nn.Module,
    train: Split,
    watched: Sequence[Split],
    normalisation: Normalisation,
    recipe: Recipe,
    device: str,
    kept: Path | None,
    seen: Callable[[int], object],
    told: Callable[[History], object] = lambda history: None,
) -> History:
    """Train `network` in place, but for what is frozen, and score it on each set of `watched` after every epoch.

    The state after an epoch is kept in the file `kept`, if one is given, which is this very training's own; a killed
    training called again goes on from there, or anew where the file is damaged, and ends with the same bytes. `seen` is
    called with the number of pictures seen since its last call, `told` with the course so far after every epoch, or
    where those are shorter than KEEP_EVERY after some of them, and in any case after the last.
    """
    network.to(device)
    quick = quicken(network)  # on a GPU the network itself
    train, *watched = (split.to(device) for split in (train, *watched))
    optimizer = optimizers.optimizer(
        recipe.optimizer, trained(network), recipe.learning_rate, recipe.momentum, recipe.weight_decay
    )
    epochs, points, best = resume(kept, network, optimizer) if kept else History([], [], {})
    seen(epochs[-1].examples if epochs else 0)
    if epochs:
        told(History(epochs, points, best))
    shards = Shards(quick, recipe.shards if device == "cpu" else 1)
    due = 0.0
    # The shards' threads end here, whatever happens. A GPU's dropout draws from the one global generator.
    with (
        shards.pool,
        torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else [], enabled=device != "cpu"),
    ):
        for epoch in range(len(epochs) + 1, recipe.epochs + 1):
            curve = train_epoch(shards, optimizer, train, normalisation, recipe, epoch, seen)
            scores = [mean_score(quick, split, normalisation, recipe.distortion.mirrored) for split in watched]
            mean_loss = math.fsum(loss * n for n, loss in curve) / len(train.labels)
            watched_losses = [score.loss for score, split in zip(scores, watched, strict=True) if len(split.labels)]
            if not all(map(math.isfinite, (mean_loss, *watched_losses))):
                raise UserError(
                    f"a loss is no finite number in epoch {epoch}: {mean_loss} in training, {watched_losses} of what "
                    "is watched; lower this training's learning_rate in params.yaml"
                )
            if mean_loss < min((e.train_loss for e in epochs), default=math.inf):
                best = {name: value.detach().clone() for name, value in network.state_dict().items()}
            examples = (epoch - 1) * len(train.labels)
            for n, loss in curve:
                points.append(Point(examples := examples + n, loss))
            epochs.append(Epoch(epoch, examples, mean_loss, scores))
            if time.monotonic() >= due or epoch == recipe.epochs:
                history = History(epochs, points, best)
                if kept:
                    keep(kept, network, optimizer, history)
                told(history)
                due = time.monotonic() + KEEP_EVERY
    return History(epochs, points, best)


def train_epoch(
    shards: Shards,
    optimizer: torch.optim.Optimizer,
    train: Split,
    normalisation: Normalisation,
    recipe: Recipe,
    epoch: int,
    seen: Callable[[int], object],
) -> list[tuple[int, float]]:
    """One pass over the training pictures, `epoch` counted from 1.

    Returns (pictures, mean loss) of every STEPS_PER_POINT steps.
    """
    n, device = len(train.labels), train.labels.device
    order = torch.randperm(n, generator=generator(recipe.seed, *recipe.purpose, "order", epoch)).to(device)
    size = train.pictures.shape[-1]
    draws = recipe.distortion.draw(n, size, generator(recipe.seed, *recipe.purpose, "affine", epoch)).to(device)[order]
    shuffled = train[order]  # once, so that a batch is a slice
    shards.begin(recipe, epoch)

    def prepare(part: slice) -> tuple[Tensor, Tensor]:
        pictures, labels = shuffled[part]
        ink = pictures.unsqueeze(1).to(torch.float32)
        return normalisation(recipe.distortion.apply(ink, draws[part])), labels

    starts = range(0, n, recipe.batch_size)
    sums, counts = [], []
    for step, start in enumerate(starts):
        batch = range(start, min(start + recipe.batch_size, n))
        progress = (epoch - 1 + step / len(starts)) / recipe.epochs
        rate = SCHEDULES[recipe.schedule](progress, recipe.learning_rate, recipe.warm_up)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = shards.backward(prepare, batch)
        optimizer.step()
        if step % STEPS_PER_POINT == 0:
            seen(sum(counts[-1:]))
            sums.append(torch.zeros((), device=device))
            counts.append(0)
        sums[-1] += loss * len(batch)
        counts[-1] += len(batch)
    seen(counts[-1])
    means = torch.stack(sums).cpu() / torch.tensor(counts)
    return list(zip(counts, means.tolist(), strict=True))
