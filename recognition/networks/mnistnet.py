"""The report's three networks, as it prints them: plain torch. What makes them fast on a CPU is the package quick."""

import warnings
from collections import OrderedDict

from torch import nn

IMAGE_SIZE = 28  # pixels, height and width of every picture
HEAD = "fc2"  # the last layer with weights: one output a class
warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")  # it copies, as it must


class ConvNet(nn.Sequential):
    """Convolutions, then two linear layers; (N, 1, 28, 28) pictures to (N, classes) log-probabilities."""

    conv1: nn.Conv2d

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
            dropout=nn.Dropout(dropout),
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
            dropout=nn.Dropout(dropout),
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
            dropout=nn.Dropout(dropout),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
        )
        super().__init__(features, classes)


def output_size(features: OrderedDict[str, nn.Module]) -> int:
    """Values per picture that these layers produce: a convolution keeps height and width, a pooling divides them."""
    channels, size = 1, IMAGE_SIZE
    for layer in features.values():
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            assert isinstance(layer.kernel_size, int)
            size //= layer.kernel_size
    return channels * size * size
