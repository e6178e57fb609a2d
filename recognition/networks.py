"""The networks of the study, and what can be said of one: its layers, its size."""

from collections import OrderedDict
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recognition.dropout import Dropout

IMAGE_SIZE = 28  # pixels, height and width of every picture
HEAD = "fc2"  # the last layer with weights: one output a class


class MnistNet(nn.Sequential):
    """Two convolutions and two linear layers; (N, 1, 28, 28) pictures to (N, classes) log-probabilities.

    The report's mnistNet is MnistNet(): 54,840 parameters. `filters` is the width of the first convolution,
    `kernel_size` holds for both.
    """

    def __init__(self, classes: int = 10, filters: int = 10, kernel_size: int = 5, dropout: float = 0.5) -> None:
        features = OrderedDict(
            conv1=nn.Conv2d(1, filters, kernel_size, padding="same"),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(filters, 20, kernel_size, padding="same"),
            dropout=Dropout(dropout),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
        )
        head = OrderedDict(
            fc1=nn.Linear(output_size(features), 50),
            relu3=nn.ReLU(),
            fc2=nn.Linear(50, classes),
            log_softmax=nn.LogSoftmax(dim=1),
        )
        super().__init__(OrderedDict(**features, **head))


ARCHITECTURES = {network.__name__: network for network in [MnistNet]}


def build(architecture: str, arguments: dict, generator: torch.Generator) -> nn.Module:
    """A new network in channels-last layout (1.3-4 times faster on a CPU), its weights drawn from `generator` alone."""
    with torch.random.fork_rng(devices=[]):
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


def output_size(features: OrderedDict[str, nn.Module]) -> int:
    """Values per picture that these layers produce. Computes nothing: meta tensors carry shapes alone."""
    probe = deepcopy(nn.Sequential(features)).to("meta")
    return probe(torch.empty(1, 1, IMAGE_SIZE, IMAGE_SIZE, device="meta")).numel()


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
        case Dropout(p=p):
            return f"dropout {p:g}"
    return {nn.ReLU: "ReLU", nn.Flatten: "flatten", nn.Linear: "linear", nn.LogSoftmax: "log-softmax"}[type(layer)]
