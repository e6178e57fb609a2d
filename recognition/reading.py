"""Reading pictures of handwriting with a trained network."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from recognition import handwriting, training
from recognition.checkpoints import Checkpoint
from recognition.errors import UserError


class Reading(NamedTuple):
    """What the network reads in one picture."""

    path: Path
    prediction: str  # the likeliest class
    probabilities: list[float]  # of every class, in the checkpoint's order

    def row(self) -> list[str | float]:
        """The cells of this reading, as `columns` names them."""
        return [self.path.as_posix(), self.prediction, max(self.probabilities), *self.probabilities]


def columns(classes: list[str]) -> list[str]:
    """The names of a row's cells: the reading, its probability, then the probability of every class."""
    return ["path", "prediction", "probability", *classes]


def read(checkpoint: Checkpoint, pictures: Iterable[Path]) -> tuple[list[Reading], list[str]]:
    """Read every picture that can be read. Returns the readings, and a line for each picture that cannot."""
    paths, prepared, failures = [], [], []
    for path in pictures:
        try:
            prepared.append(handwriting.prepare(path))
            paths.append(path)
        except UserError as error:
            failures.append(str(error))
    if not paths:
        return [], failures
    pictures = torch.from_numpy(np.stack(prepared))
    found = training.log_probabilities(checkpoint.network(), pictures, checkpoint.normalisation)
    readings = [
        Reading(path, checkpoint.classes[int(row.argmax())], row.exp().tolist())
        for path, row in zip(paths, found, strict=True)
    ]
    return readings, failures
