"""What can be said of a network: its layers, its size."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recognition.networks.mnistnet import IMAGE_SIZE


def macs(network: nn.Module) -> int:
    """Multiplications, each with an addition, that convolutions and linear layers need for one picture's output."""
    found = 0

    def count(layer: nn.Module, given: object, x: Tensor) -> None:
        nonlocal found
        found += layer.get_parameter("weight").numel() * x.shape[2:].numel()

    probe = deepcopy(network).to("meta").eval()  # meta tensors carry shapes alone
    for layer in probe.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    probe(torch.empty(1, 1, IMAGE_SIZE, IMAGE_SIZE, device="meta"))
    return found


class Layer(NamedTuple):
    """One layer as a picture passes it."""

    name: str  # "conv1"
    kind: str  # "convolution 5×5"
    shape: tuple[int, ...]  # of its output, without the batch
    parameters: int


def layers(network: nn.Sequential) -> list[Layer]:
    """The input and every layer of a network in the order of computation, with the shapes that it really produces."""
    x = torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE)
    found = [Layer("input", "picture", tuple(x.shape[1:]), 0)]
    probe = deepcopy(network).cpu().eval()
    with torch.no_grad():
        for name, layer in probe.named_children():
            x = layer(x)
            found.append(Layer(name, kind(layer), tuple(x.shape[1:]), sum(p.numel() for p in layer.parameters())))
    return found


def kind(layer: nn.Module) -> str:
    """What a layer is, in words."""
    match layer:
        case nn.Conv2d(kernel_size=(height, width)):
            return f"convolution {height}×{width}"
        case nn.MaxPool2d(kernel_size=size):
            return f"max pool {size}×{size}"
        case nn.AvgPool2d(kernel_size=size):
            return f"mean pool {size}×{size}"
        case nn.Dropout(p=p):
            return f"dropout {p:g}"
    names: dict[type[nn.Module], str] = {
        nn.ReLU: "ReLU",
        nn.Flatten: "flatten",
        nn.Linear: "linear",
        nn.LogSoftmax: "log-softmax",
    }
    return names[type(layer)]
