"""MobileNetV3-large for small grey pictures: torchvision's features, the report's head."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        from torchvision.models import mobilenet_v3_large  # a second, which the other networks' processes are spared

        torchvision_s = mobilenet_v3_large()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            channels=ThreeChannels(image_size),
            features=torchvision_s.features,
            pool=torchvision_s.avgpool,
            flatten=nn.Flatten(),
            batch_norm=nn.BatchNorm1d(self.FEATURES),
            dropout=nn.Dropout(dropout),
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
