"""Depthwise convolutions of maps of a few pixels, as MobileNet's last layers see a small picture."""

from functools import cache

import torch
from torch import Tensor, nn


class Depthwise(nn.Conv2d):
    """A depthwise convolution with an odd kernel, padded by half of it, and without bias; (N, C, H, W) in and out.

    On a map of one pixel only the kernel's middle counts, on one of 2×2 the nine weights around it, but oneDNN's
    gradient goes through all of them, zeros included: 30 ms where a multiplication takes 0.1. Here each value of so
    small a map is multiplied by each weight that it meets, all channels at a time; larger maps are torch's. MobileNet
    trains on 28×28 pixels 1.7 times as fast.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if max(height, width) > 2:
            return super().forward(x)
        size, stride = self.weight.shape[-1], int(self.stride[0])
        rows, columns, places = meetings(height, width, size, stride, x.device.type)
        weights = self.weight.flatten(1).T.index_select(0, places).view(rows * columns, height * width, -1)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1)  # (N, 1, H * W, C)
        return (pixels * weights).sum(2).unflatten(1, (rows, columns)).permute(0, 3, 1, 2)  # channels last


@cache
def meetings(height: int, width: int, size: int, stride: int, device: str) -> tuple[int, int, Tensor]:
    """Rows and columns of the output, and for each of its pixels and each of the input's the weight where they meet,
    as a place in the kernel, row by row."""
    rows, columns, middle = -(-height // stride), -(-width // stride), size // 2
    found = [
        (middle + i - stride * row) * size + middle + j - stride * column
        for row in range(rows)
        for column in range(columns)
        for i in range(height)
        for j in range(width)
    ]
    return rows, columns, torch.tensor(found, device=device)


def quicken(network: nn.Module) -> None:
    """Replace a network's depthwise convolutions in place; weights and their names stay."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels:
                setattr(parent, name, replaced(layer))


def replaced(layer: nn.Conv2d) -> Depthwise:
    channels, size, stride = layer.in_channels, layer.kernel_size[0], layer.stride[0]
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    square = ((size, size), (stride, stride), (size // 2, size // 2), (1, 1))
    if shape != square or size < 3 or size % 2 == 0 or layer.bias is not None:
        raise ValueError(f"{layer} is not padded by half its odd kernel of 3 or more, not square, or has a bias")
    new = Depthwise(channels, channels, size, stride, size // 2, groups=channels, bias=False, device="meta")
    new.weight = layer.weight
    return new
