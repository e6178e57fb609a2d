"""The outcomes of many cells: from a store of what is finished, or computed side by side."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from recognition.base import files, fingerprints
from recognition.base.errors import UserError
from recognition.sweep import processes, task
from recognition.sweep.task import Cell, Data, Outcome
from recognition.training.fit import Score

KEPT = 5000  # outcomes in the store, 200 bytes each
STATES = 100  # of trainings that were killed, up to some MB each


def outcomes(
    wanted: Sequence[Cell], data: Data, folder: Path, device: str, n_workers: int | None, scheduler: str | None
) -> Iterator[tuple[Cell, Outcome]]:
    """Every cell with its outcome: first those that the store in `folder` has, then as they come, the longest first.

    Computed by `n_workers` processes (None: as many as there are cores), or where a Dask `scheduler` is named, by its
    workers. The outcomes are the same wherever they are computed, in whatever order, and whatever else is.
    """
    finished, states = folder / "outcomes", folder / "states"
    common = fingerprints.of(task.__file__, device, *data.digests(), data.normalisation, data.classes)
    names = {cell: fingerprints.digest(repr((common, cell)).encode())[:32] for cell in wanted}
    missing = []
    for cell, name in names.items():
        if (outcome := read(finished / f"{name}.json")) is None:
            missing.append(cell)
        else:
            yield cell, outcome
    if not missing:
        return
    missing.sort(key=lambda cell: cell.recipe.epochs * task.size(*cell[:3], data.classes).macs, reverse=True)
    with pool(min(n_workers or processes.cores(), len(missing)), scheduler, device, folder / "data") as (submit, share):
        handle, futures = share(data), {}
        for cell in missing:
            kept = None if scheduler else states / names[cell]  # on another machine there is no such folder
            futures[submit(task.compute, cell, handle, device, kept)] = cell
        for future in as_completed(futures):
            cell, outcome = futures.pop(future), future.result()
            files.write_json(finished / f"{names[cell]}.json", outcome)
            (states / names[cell]).unlink(missing_ok=True)
            yield cell, outcome
    for place, newest in (finished, KEPT), (states, STATES):
        place.mkdir(exist_ok=True)
        fingerprints.prune(place, newest)


def pool(n: int, scheduler: str | None, device: str, folder: Path) -> AbstractContextManager[processes.Pool]:
    """Where the cells are computed. Dask is imported only where it is asked for."""
    if scheduler is None:
        return processes.pool(n, partial(task.share, folder=folder))
    try:
        from recognition.sweep import dask
    except ModuleNotFoundError as error:
        raise UserError(
            f"params.yaml: sweep.scheduler: {error.name} is missing; pip install -r requirements-dask.txt, or null"
        ) from None
    return dask.workers(scheduler, task.__file__, device, task.pack, task.unpack)


def read(path: Path) -> Outcome | None:
    """An outcome from the store, or None where there is none that can be read."""
    with suppress(OSError, ValueError, TypeError):
        train_loss, held_out, test = json.loads(path.read_bytes())
        path.touch()  # the store keeps what was used last
        return Outcome(float(train_loss), Score(*map(float, held_out)), Score(*map(float, test)))
    return None
