"""Reading pictures of handwriting with a trained network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from recognition.base.errors import UserError
from recognition.ink.pictures import prepare_all
from recognition.training import evaluation
from recognition.training.checkpoints import Checkpoint


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


def read(
    checkpoint: Checkpoint, pictures: Sequence[Path], seen: Callable[[int], object] = lambda n: None
) -> tuple[list[Reading], list[str]]:
    """Read every picture that can be read. Returns the readings, and a line for each picture that cannot.

    `seen` is called with the number done since its last call.
    """
    found = prepare_all(pictures, seen)
    failures = [str(error) for error in found if isinstance(error, UserError)]
    paths = [path for path, one in zip(pictures, found, strict=True) if not isinstance(one, UserError)]
    if not paths:
        return [], failures
    batch = torch.from_numpy(np.stack([one for one in found if not isinstance(one, UserError)]))
    rows = evaluation.log_probabilities(checkpoint.network(), batch, checkpoint.normalisation)
    if rows.isnan().any():
        raise UserError("the network's weights lead to probabilities that are no numbers; train it anew: `dvc repro`")
    readings = [
        Reading(path, checkpoint.classes[int(row.argmax())], row.exp().tolist())
        for path, row in zip(paths, rows, strict=True)
    ]
    return readings, failures
