"""The networks of the study, and what can be said of one: its layers, its size."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v3_large

from recognition.networks.quick.dropout import Dropout
from recognition.networks.quick.pooling import convolve_and_pool

IMAGE_SIZE = 28  # pixels, height and width of every picture
HEAD = "fc2"  # the last layer with weights: one output a class
warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")  # it copies, as it must
DRAWING = Lock()  # torch's layers draw their weights from the one global generator


class ConvNet(nn.Sequential):
    """Convolutions, then two linear layers; (N, 1, 28, 28) pictures to (N, classes) log-probabilities.

    In training the first convolution and the pooling after it are computed in one go, and fc1 reads the features in the
    order in which they lie: the same but for rounding.
    """

    conv1: nn.Conv2d
    pool1: nn.Module
    flatten: nn.Flatten
    fc1: nn.Linear

    def __init__(self, features: OrderedDict[str, nn.Module], classes: int) -> None:
        number = 1 + sum(isinstance(layer, nn.ReLU) for layer in features.values())
        head = OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(output_size(features), 50),
            **{f"relu{number}": nn.ReLU()},
            fc2=nn.Linear(50, classes),
            log_softmax=nn.LogSoftmax(dim=1),
        )
        super().__init__(OrderedDict(**features, **head))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        _, _, *rest = self
        x = convolve_and_pool(x, self.conv1, self.pool1)
        for layer in rest[: rest.index(self.flatten)]:
            x = layer(x)
        weight = self.fc1.weight.unflatten(1, x.shape[1:]).permute(0, 2, 3, 1).flatten(1)
        x = F.linear(x.permute(0, 2, 3, 1).flatten(1), weight, self.fc1.bias)
        for layer in rest[rest.index(self.fc1) + 1 :]:
            x = layer(x)
        return x


class MnistNet(ConvNet):
    """Two convolutions, each followed by a maximum of 2×2.

    The report's mnistNet is MnistNet(): 54,840 parameters. `filters` is the width of the first convolution,
    `kernel_size` holds for both.
    """

    def __init__(self, classes: int = 10, filters: int = 10, kernel_size: int = 5, dropout: float = 0.5) -> None:
        features: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, filters, kernel_size, padding="same"),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(filters, 20, kernel_size, padding="same"),
            dropout=Dropout(dropout),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
        )
        super().__init__(features, classes)


class MnistNet2(ConvNet):
    """The report's mnistNet2: three convolutions, dropout after the last."""

    def __init__(self, classes: int = 10, filters: int = 10, kernel_size: int = 5, dropout: float = 0.5) -> None:
        features: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, filters, kernel_size, padding="same"),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(filters, 20, kernel_size, padding="same"),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(20, 30, kernel_size, padding="same"),
            dropout=Dropout(dropout),
            pool3=nn.MaxPool2d(2),
            relu3=nn.ReLU(),
        )
        super().__init__(features, classes)


class MnistNet3(ConvNet):
    """The report's mnistNet3: two convolutions, the first followed by a mean of 3×3."""

    def __init__(self, classes: int = 10, filters: int = 10, kernel_size: int = 5, dropout: float = 0.5) -> None:
        features: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, filters, kernel_size, padding="same"),
            pool1=nn.AvgPool2d(3),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(filters, 20, kernel_size, padding="same"),
            dropout=Dropout(dropout),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
        )
        super().__init__(features, classes)


class ThreeChannels(nn.Module):
    """(N, 1, H, W) grey pictures to (N, 3, image_size, image_size), the channels equal."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.image_size:
            x = F.interpolate(x, (self.image_size, self.image_size), mode="bilinear", antialias=True)
        return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)

    def extra_repr(self) -> str:
        return f"image_size={self.image_size}"


class MobileNet(nn.Sequential):
    """torchvision's mobilenet_v3_large with a head of its own; (N, 1, 28, 28) to (N, classes) log-probabilities.

    The report's: features and average pool as they are, then batch normalisation, dropout and one linear layer.
    """

    FEATURES = 960  # values a picture that the head is given
    features: nn.Sequential

    def __init__(self, classes: int = 10, image_size: int = 28, dropout: float = 0.5) -> None:
        torchvision_s = mobilenet_v3_large()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            channels=ThreeChannels(image_size),
            features=torchvision_s.features,
            pool=torchvision_s.avgpool,
            flatten=nn.Flatten(),
            batch_norm=nn.BatchNorm1d(self.FEATURES),
            dropout=Dropout(dropout),
            linear=nn.Linear(self.FEATURES, classes),
            log_softmax=nn.LogSoftmax(dim=1),
        )
        super().__init__(layers)

    def load_backbone(self, weights: dict[str, Tensor]) -> None:
        """Take the features of torchvision's mobilenet_v3_large, as its own file of weights names them."""
        prefix = "features."
        found = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        self.features.load_state_dict(found)

    def backbone(self) -> nn.Sequential:
        """The layers in front of the head, shared with this network: pictures to (N, FEATURES)."""
        return nn.Sequential(*list(self)[:4])

    def head(self) -> nn.Sequential:
        """The layers after the backbone, shared with this network: (N, 1, FEATURES) to log-probabilities."""
        return nn.Sequential(*list(self)[3:])


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


def output_size(features: OrderedDict[str, nn.Module]) -> int:
    """Values per picture that these layers produce. Computes nothing: meta tensors carry shapes alone."""
    probe = deepcopy(nn.Sequential(features)).to("meta")
    return probe(torch.empty(1, 1, IMAGE_SIZE, IMAGE_SIZE, device="meta")).numel()


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
        case Dropout(p=p):
            return f"dropout {p:g}"
    names: dict[type[nn.Module], str] = {
        nn.ReLU: "ReLU",
        nn.Flatten: "flatten",
        nn.Linear: "linear",
        nn.LogSoftmax: "log-softmax",
    }
    return names[type(layer)]
