"""The data of a sweep, once, for all who compute its cells."""

import io
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import torch

from recognition.base import files, fingerprints
from recognition.base.determinism import serialised
from recognition.training.datasets import Data, Normalisation, Split


def in_a_file(data: Data, folder: Path) -> Callable[[], Data]:
    """Write the data to a file of `folder` that every process of this machine maps into memory: one copy for all."""
    packed = pack(data)
    path = folder / f"{fingerprints.digest(packed)[:32]}.pt"
    files.write_bytes(path, packed)  # also where it is: to read and check it would take as long
    files.prune(folder, newest=8)  # other runs at the same time have data of their own
    return partial(mapped, path)


@lru_cache(maxsize=1)
def mapped(path: Path) -> Data:
    return restored(torch.load(path, mmap=True, weights_only=True))


def pack(data: Data) -> bytes:
    splits = [tuple(part.contiguous() for part in split) for split in data[:3]]
    return serialised([splits, tuple(data.normalisation), data.classes])


def unpack(packed: bytes) -> Data:
    return restored(torch.load(io.BytesIO(packed), weights_only=True))


def restored(state: list) -> Data:
    splits, normalisation, classes = state
    train, held_out, test = (Split(*split) for split in splits)
    return Data(train, held_out, test, Normalisation(*normalisation), classes)
