"""The networks of the study by their names, and how one is built or given a new head."""

from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor, nn

from recognition.networks.mnistnet import HEAD, MnistNet, MnistNet2, MnistNet3
from recognition.networks.mobilenet import MobileNet

DRAWING = Lock()  # torch's layers draw their weights from the one global generator
ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    network.__name__: network for network in (MnistNet, MnistNet2, MnistNet3, MobileNet)
}


def build(architecture: str, arguments: dict, generator: torch.Generator) -> nn.Module:
    """A new network in channels-last layout (1.3-4 times faster on a CPU), its weights drawn from `generator` alone."""
    with DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        return ARCHITECTURES[architecture](**arguments).to(memory_format=torch.channels_last)


def with_new_head(
    architecture: str, arguments: dict, weights: dict[str, Tensor], generator: torch.Generator
) -> nn.Module:
    """A network with the `weights` of another of its kind, but for the last layer, which is new and drawn at random."""
    network = build(architecture, arguments, generator)
    kept = {name: value for name, value in weights.items() if name not in (f"{HEAD}.weight", f"{HEAD}.bias")}
    network.load_state_dict(network.state_dict() | kept)
    return network


def freeze_features(network: nn.Module) -> None:
    """Let a training change the last layer only."""
    network.requires_grad_(False)
    network.get_submodule(HEAD).requires_grad_(True)
