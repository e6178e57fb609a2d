"""A trained network in a file, with all that is needed to use it: no params.yaml, no data set."""

import io
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recognition.base import files
from recognition.base.errors import UserError
from recognition.networks import ARCHITECTURES
from recognition.training.datasets import Normalisation


class Checkpoint(NamedTuple):
    architecture: str  # a key of networks.ARCHITECTURES
    arguments: dict[str, int | float]  # what the network was built with
    weights: dict[str, Tensor]
    classes: list[str]  # their names, in the order of the network's outputs
    normalisation: Normalisation
    epoch: int

    def network(self) -> nn.Module:
        """The network with its weights, ready to read pictures."""
        network = ARCHITECTURES[self.architecture](**self.arguments)
        network.load_state_dict(self.weights)
        return network.to(memory_format=torch.channels_last).eval()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all, as a plain dict that torch.load(weights_only=True) reads."""
    weights = {name: value.detach().cpu().contiguous() for name, value in checkpoint.weights.items()}
    state = checkpoint._asdict() | {"weights": weights, "normalisation": tuple(checkpoint.normalisation)}
    files.write_bytes(path, serialised(state))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises UserError with one line where there is none, or its network cannot be built."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint; `dvc repro` trains the project's own") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; a checkpoint is a file that can be read") from None
    try:
        state = dict(torch.load(io.BytesIO(content), weights_only=True))
        checkpoint = Checkpoint(**state | {"normalisation": Normalisation(*state["normalisation"])})
        checkpoint.network()
        return checkpoint
    except Exception:  # torch.load has many ways to fail
        raise UserError(f"{path}: damaged, or not a checkpoint of this project; `dvc repro` trains its own") from None


def serialised(state: object) -> bytes:
    """torch.save to memory: saved to a file, the bytes would depend on the file's name."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
