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

    def __init__(self, layer: nn.Conv2d) -> None:
        """The same layer, its weights shared; one that `is_depthwise`."""
        n, size, stride = layer.in_channels, layer.kernel_size[0], layer.stride[0]
        super().__init__(n, n, size, stride, size // 2, groups=n, bias=False, device="meta")
        self.weight = layer.weight

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if max(height, width) > 2:
            return super().forward(x)
        size, stride = self.weight.shape[-1], int(self.stride[0])
        rows, columns, places = meetings(height, width, size, stride)
        weights = self.weight.flatten(1).T.index_select(0, places).view(rows * columns, height * width, -1)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2).unsqueeze(1)  # (N, 1, H * W, C)
        return (pixels * weights).sum(2).unflatten(1, (rows, columns)).permute(0, 3, 1, 2)  # channels last


@cache
def meetings(height: int, width: int, size: int, stride: int) -> tuple[int, int, Tensor]:
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
    return rows, columns, torch.tensor(found)


def is_depthwise(layer: nn.Conv2d) -> bool:
    """Whether `Depthwise` does what this layer does: a square odd kernel of 3 or more, padded by half, no bias."""
    size, stride = layer.kernel_size[0], layer.stride[0]
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
    square = ((size, size), (stride, stride), (size // 2, size // 2), (1, 1))
    by_channel = 1 < layer.groups == layer.in_channels == layer.out_channels
    return (
        by_channel
        and shape == square
        and layer.padding_mode == "zeros"
        and size >= 3
        and size % 2 == 1
        and layer.bias is None
    )
