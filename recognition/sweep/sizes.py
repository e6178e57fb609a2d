"""How large the networks of a sweep are."""

from functools import cache
from typing import NamedTuple

import torch

from recognition.networks import ARCHITECTURES, describe


class Size(NamedTuple):
    parameters: int
    macs: int  # see describe.macs


@cache
def size(architecture: str, kernel_size: int, filters: int, classes: int) -> Size:
    """The size of a network, without building it."""
    with torch.device("meta"):
        network = ARCHITECTURES[architecture](classes=classes, filters=filters, kernel_size=kernel_size)
    return Size(sum(p.numel() for p in network.parameters()), describe.macs(network))
