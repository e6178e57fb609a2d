"""What is finished of a sweep, and how far the rest is: files under names that hold all that determines them."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from recognition.base import files, fingerprints
from recognition.sweep import task
from recognition.sweep.task import Cell, Outcome
from recognition.training.datasets import Data
from recognition.training.evaluation import Score

LOG = logging.getLogger(__name__)
OUTCOMES = 5000  # kept in the store, 200 bytes each
STATES = 100  # of trainings that were killed, up to some MB each


class Store:
    """The outcomes and half-trained networks of cells with one set of data on one kind of device."""

    def __init__(self, folder: Path, data: Data, device: str, cells: Iterable[Cell]) -> None:
        common = fingerprints.of(task.__file__, device, *data.digests(), data.normalisation, data.classes)
        self.names = {cell: fingerprints.digest(repr((common, cell)).encode())[:32] for cell in cells}
        self.outcomes, self.states = folder / "outcomes", folder / "states"

    def read(self, cell: Cell) -> Outcome | None:
        """A cell's outcome, or None where there is none that can be read."""
        path = self.outcomes / f"{self.names[cell]}.json"
        try:
            train_loss, held_out, test = json.loads(path.read_bytes())
            path.touch()  # what was used last is kept
            return Outcome(float(train_loss), Score(*map(float, held_out)), Score(*map(float, test)))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            LOG.warning("%s: a network's outcome cannot be read; it is trained anew", path)
        return None

    def write(self, cell: Cell, outcome: Outcome) -> None:
        files.write_json(self.outcomes / f"{self.names[cell]}.json", outcome)
        self.state(cell).unlink(missing_ok=True)

    def state(self, cell: Cell) -> Path:
        """The file of a cell's training after an epoch."""
        return self.states / self.names[cell]

    def prune(self) -> None:
        for folder, newest in (self.outcomes, OUTCOMES), (self.states, STATES):
            folder.mkdir(exist_ok=True)
            files.prune(folder, newest)
