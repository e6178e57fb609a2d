"""The outcomes of many cells: from the store of what is finished, or computed side by side, the longest first."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from recognition.base import machine
from recognition.base.errors import UserError
from recognition.sweep import data as sweep_data
from recognition.sweep import processes, task
from recognition.sweep.sizes import size
from recognition.sweep.store import Store
from recognition.sweep.task import Cell, Outcome
from recognition.training.datasets import Data

WORKER_BYTES = 400_000_000  # of a process that trains the widest network; measured: 375 MB


def outcomes(
    wanted: Sequence[Cell], data: Data, folder: Path, device: str, n_workers: int | None, scheduler: str | None
) -> Iterator[tuple[Cell, Outcome]]:
    """Every cell with its outcome: first those that the store in `folder` has, then as they come, the longest first.

    Computed by `n_workers` processes (None: as many as there are cores, or one for a GPU), or where a Dask `scheduler`
    is named, by its workers. The outcomes are the same wherever they are computed, in whatever order, and whatever else
    is.
    """
    store = Store(folder, data, device, wanted)
    missing = []
    for cell in store.names:
        if (outcome := store.read(cell)) is None:
            missing.append(cell)
        else:
            yield cell, outcome
    if not missing:
        return
    missing.sort(key=lambda cell: work(cell, data), reverse=True)
    n = min(n_workers or (1 if device == "cuda" else room()), len(missing))
    with pool(n, scheduler, device, folder / "data") as (submit, provide):
        provided, futures = provide(data), {}
        for cell in missing:
            kept = None if scheduler else store.state(cell)  # on another machine there is no such folder
            futures[submit(task.compute, cell, provided, device, kept)] = cell
        for future in as_completed(futures):
            cell, outcome = futures.pop(future), future.result()
            store.write(cell, outcome)
            yield cell, outcome
    store.prune()


def room() -> int:
    """How many workers this machine has cores and memory for."""
    return max(1, min(machine.cores(), machine.memory() // WORKER_BYTES - 1))  # one part is left to the system


def work(cell: Cell, data: Data) -> int:
    """A training's multiplications, which its time grows with: a pass forward, and for its gradients two back."""
    return 3 * cell.recipe.epochs * len(data.train.labels) * size(*cell[:3], data.classes).macs


def pool(n: int, scheduler: str | None, device: str, folder: Path) -> AbstractContextManager[processes.Pool]:
    """Where the cells are computed. Dask is imported only where it is asked for."""
    if scheduler is None:
        return processes.pool(n, partial(sweep_data.in_a_file, folder=folder))
    try:
        from recognition.sweep import dask
    except ModuleNotFoundError as error:
        raise UserError(
            f"params.yaml: sweep.scheduler: {error.name} is missing; pip install -r requirements-cluster.txt, or null"
        ) from None
    return dask.workers(scheduler, task.__file__, device, sweep_data.pack, sweep_data.unpack)
