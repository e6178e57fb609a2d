"""The course of a training, and the state that is kept after an epoch, so that one that is killed goes on."""

import hashlib
import io
import logging
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recognition.base import files
from recognition.base.determinism import serialised
from recognition.training.evaluation import Score

LOG = logging.getLogger(__name__)


class Epoch(NamedTuple):
    epoch: int
    examples: int  # seen since the start
    train_loss: float  # mean over the epoch, dropout on
    scores: list[Score]  # of each set that is watched


class Point(NamedTuple):
    examples: int
    train_loss: float  # mean of the last steps


class History(NamedTuple):
    epochs: list[Epoch]
    points: list[Point]
    best: dict[str, Tensor]  # the weights after the epoch of the lowest training loss


def keep(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, history: History) -> None:
    """Write the state after an epoch, whole or not at all."""
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epochs": [(*epoch[:-1], [tuple(score) for score in epoch.scores]) for epoch in history.epochs],
        "points": [tuple(point) for point in history.points],
        "best": history.best,
    }
    content = serialised(state)
    files.write_bytes(path, hashlib.sha256(content).digest() + content)


def resume(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> History:
    """Put network and optimizer into the state kept last, and return its history.

    Without one they stay as they are, and the history is empty; so with one that is not as it was written or is another
    network's, which is a warning in the log. The sha256 in front is what finds a flipped bit: torch.load does not.
    """
    before = deepcopy((network.state_dict(), optimizer.state_dict()))
    try:
        found = path.read_bytes()
        sha256, content = found[:32], found[32:]
        if hashlib.sha256(content).digest() != sha256:
            raise ValueError("not as it was written")
        state = torch.load(io.BytesIO(content), weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        epochs = [Epoch(n, seen, loss, [Score(*s) for s in scores]) for n, seen, loss, scores in state["epochs"]]
        return History(epochs, [Point(*point) for point in state["points"]], state["best"])
    except FileNotFoundError:
        pass
    except Exception as error:  # as many ways to fail as torch.load and load_state_dict have, the latter half-way
        network.load_state_dict(before[0])
        optimizer.load_state_dict(before[1])
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        LOG.warning("%s: the training's state cannot be read (%s); it starts anew", path, reason[:200])
    return History([], [], {})
