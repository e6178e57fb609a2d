"""The same networks, quicker on a CPU: the definition is in plain torch, and nothing here changes what is computed.

`quicken` swaps layers for others that give the same values, and the same gradients of all weights, but for rounding;
tests hold each against torch's own. Dropout has its probability in steps of 1/256. On a GPU the plain networks are run
as they are.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn

from recognition.networks.quick.convolution import (
    MaxOfConvolution,
    MeanOfConvolution,
    is_of_one_channel,
    is_pooling,
)
from recognition.networks.quick.depthwise import Depthwise, is_depthwise
from recognition.networks.quick.dropout import Dropout
from recognition.networks.quick.linear import Linear, LinearOfMaps


def quicken(network: nn.Module) -> nn.Module:
    """A copy of a network for a CPU, with quick layers for plain ones; its weights and buffers, and their names, are
    the network's own: what trains one trains both. A network on another device, or a quick one, is returned as it is.
    """
    tensors = [*network.parameters(), *network.buffers()]
    if any(tensor.device.type != "cpu" for tensor in tensors) or getattr(network, "is_quick", False):
        return network
    quick = deepcopy(network, memo={id(tensor): tensor for tensor in tensors})
    for parent in list(quick.modules()):
        for name, layer in list(parent.named_children()):
            setattr(parent, name, alone(layer))
        if isinstance(parent, nn.Sequential):
            for names in pairwise(name for name, _ in parent.named_children()):
                for name, layer in zip(names, together(*map(parent.get_submodule, names)), strict=True):
                    setattr(parent, name, layer)
    quick.is_quick = True  # pyrefly: ignore[bad-argument-type]
    return quick.train(network.training)


def alone(layer: nn.Module) -> nn.Module:
    """What stands for a layer, whatever its neighbours."""
    match layer:
        case nn.Conv2d() if is_depthwise(layer):
            return Depthwise(layer)
        case nn.Linear() if layer.bias is not None:
            return Linear(layer)
        case nn.Dropout():
            return Dropout(layer.p)
    return layer


def together(one: nn.Module, other: nn.Module) -> tuple[nn.Module, nn.Module]:
    """What stands for two layers, one after the other."""
    match one, other:
        case nn.Conv2d(), nn.MaxPool2d(kernel_size=2) if is_of_one_channel(one) and is_pooling(other):
            return MaxOfConvolution(one), nn.Identity()
        case nn.Conv2d(), nn.AvgPool2d(kernel_size=int(size)) if is_of_one_channel(one) and is_pooling(other):
            return MeanOfConvolution(one, size), nn.Identity()
        case nn.Flatten(start_dim=1, end_dim=-1), Linear():
            return nn.Identity(), LinearOfMaps(other)
    return one, other


def dropouts(network: nn.Module) -> Iterator[Dropout]:
    return (layer for layer in network.modules() if isinstance(layer, Dropout))


def without_dropout(network: nn.Module) -> None:
    """Let the dropout layers of a network that is in training pass everything, until its next `train()`."""
    for layer in network.modules():
        if isinstance(layer, (Dropout, nn.Dropout)):
            layer.eval()


def draw_dropout_from(network: nn.Module, generator: torch.Generator) -> None:
    """Let the quick dropout layers of a network draw from `generator`, and torch's own from a seed of it."""
    for layer in dropouts(network):
        layer.generator = generator
    if any(isinstance(layer, nn.Dropout) for layer in network.modules()):
        torch.manual_seed(generator.initial_seed())  # torch.nn.Dropout knows no other generator than the global one
