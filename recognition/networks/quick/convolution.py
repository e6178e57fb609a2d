"""The first convolution with the pooling after it, in one go, and a gradient that keeps its layout."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from recognition.networks.quick.products import product

CACHED = 1 << 19  # float32 numbers, 2 MB: what a core writes and reads again without the way to memory
CORNERS = [(right, down) for down in (0, 1) for right in (0, 1)]  # of a window one pixel larger than a kernel


class OneChannel(nn.Conv2d):
    """A convolution of (N, 1, H, W) pictures with padding "same"."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """The same layer, its weights shared."""
        super().__init__(1, layer.out_channels, layer.kernel_size[0], padding="same", device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def padded(self, x: Tensor) -> Tensor:
        size = self.kernel_size[0]
        before = (size - 1) // 2
        return F.pad(x, (before, size - 1 - before) * 2)


class MeanOfConvolution(OneChannel):
    """A convolution and a mean of `pooled`×`pooled` are one convolution with larger kernels at every `pooled`th pixel:
    for 3×3 a fifth of the multiplications."""

    def __init__(self, layer: nn.Conv2d, pooled: int) -> None:
        super().__init__(layer)
        self.pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        n = self.pooled
        box = torch.full((1, 1, n, n), 1 / n**2, dtype=x.dtype)
        kernels = F.conv2d(F.pad(self.weight, (n - 1,) * 4), box)
        return F.conv2d(self.padded(x), kernels.contiguous(memory_format=torch.channels_last), self.bias, stride=n)


class MaxOfConvolution(OneChannel):
    """A convolution and a maximum of 2×2.

    The windows of the picture that one maximum depends on become the rows of a matrix; its product with four shifted
    copies of each kernel holds the four values. That is 1.4 times the multiplications, but a convolution of one channel
    leaves most of a vector empty, and with many filters it writes more than a cache holds: the widest network of the
    sweep trains 1.25 times as fast this way.
    """

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        found = Largest.apply(self.padded(x), self.weight)
        biases = self.bias.repeat(found.shape[1] * found.shape[2])  # a long row: twice as fast as many short ones
        return (found.flatten(1) + biases).view(found.shape).permute(0, 3, 1, 2)  # channels last


def is_of_one_channel(layer: nn.Conv2d) -> bool:
    """Whether `OneChannel` does what this layer does."""
    size = layer.kernel_size[0]
    shape = (layer.in_channels, layer.kernel_size, layer.stride, layer.dilation, layer.padding, layer.padding_mode)
    return shape == (1, (size, size), (1, 1), (1, 1), "same", "zeros") and layer.bias is not None


def is_pooling(layer: nn.MaxPool2d | nn.AvgPool2d) -> bool:
    """Whether a layer pools squares side by side, without padding, and none that the picture's edge cuts."""
    plain = layer.stride == layer.kernel_size and layer.padding == 0 and not layer.ceil_mode
    if isinstance(layer, nn.AvgPool2d):
        return plain and layer.divisor_override is None
    return plain and layer.dilation == 1 and not layer.return_indices


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """(N, H, W) to (N, rows, columns, size * size): the windows at every `stride`th pixel, column by column.

    A view of a copy in which each window is one piece of memory: to gather its rows takes a third of the time.
    """
    strips = x.unfold(1, size, stride).contiguous()  # (N, rows, W, size)
    return strips.flatten(2).unfold(2, size * size, stride * size)


def in_corners(weight: Tensor) -> Tensor:
    """(F, 1, k, k) kernels to ((k + 1)², 4 * F): each in the four CORNERS of a window, which is laid out as by
    `windows`."""
    f, _, k, _ = weight.shape
    kernels = weight.new_zeros((k + 1, k + 1, 4, f))
    for place, (right, down) in enumerate(CORNERS):
        kernels[right : right + k, down : down + k, place] = weight.permute(3, 2, 1, 0)[:, :, 0]
    return kernels.view((k + 1) ** 2, 4 * f)


def from_corners(gradient: Tensor) -> Tensor:
    """(4 * F, 1, k + 1, k + 1) kernels, each one's four CORNERS apart, to the (F, 1, k, k) sum of what stands there."""
    k = gradient.shape[-1] - 1
    found = gradient.unflatten(0, (4, -1))
    total = sum(found[place, ..., down : down + k, right : right + k] for place, (right, down) in enumerate(CORNERS))
    assert isinstance(total, Tensor)
    return total.contiguous(memory_format=torch.channels_last)


class Largest(torch.autograd.Function):
    """(N, 1, H, W) padded pictures and (F, 1, k, k) kernels to (N, rows, columns, F): the largest of four products at
    every second pixel of every second row.

    Computed in pieces of the batch that fit into a cache, in their order; torch's own maximum costs more, and its
    gradient ten times so. The pictures get no gradient.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        if ctx.needs_input_grad[0]:
            raise RuntimeError("pictures get no gradient from a quick convolution; use the plain network")
        places = windows(x.squeeze(1), weight.shape[-1] + 1, 2)
        n, rows, columns, k = places.shape
        kernels, f = in_corners(weight), len(weight)
        largest = kernels.new_empty((n, rows, columns, f))
        first_half = kernels.new_empty((n, rows * columns, 2 * f))  # 1.0 where the larger value stands there, else 0.0
        first = torch.empty_like(largest)
        step = max(1, CACHED // (rows * columns * 4 * f))
        for piece in (slice(start, start + step) for start in range(0, n, step)):
            values = product(places[piece].reshape(-1, k), kernels)
            a, b = values.view(-1, 2, 2 * f).unbind(1)
            torch.ge(a, b, out=first_half[piece].view(-1, 2 * f))
            a, b = torch.maximum(a, b).view(-1, 2, f).unbind(1)
            torch.ge(a, b, out=first[piece].view(-1, f))
            torch.maximum(a, b, out=largest[piece].view(-1, f))
        ctx.save_for_backward(x, first_half, first)
        ctx.step, ctx.kernel_size = step, weight.shape[-1]
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        x, first_half, first = ctx.saved_tensors
        n, rows, columns, f = gradient.shape
        size, step = ctx.kernel_size + 1, ctx.step
        shape = (4 * f, 1, size, size)
        kernels = gradient.new_empty(shape).to(memory_format=torch.channels_last)  # only shape and layout count
        total = torch.zeros_like(kernels)
        pairs, fours = (gradient.new_empty((step * rows * columns, 2, m)) for m in (f, 2 * f))
        gradient = gradient.contiguous()
        for piece in (slice(start, start + step) for start in range(0, n, step)):
            part = gradient[piece].view(-1, f)
            spread(part, first[piece].view(-1, f), pairs[: len(part)])
            spread(pairs[: len(part)].view(-1, 2 * f), first_half[piece].view(-1, 2 * f), fours[: len(part)])
            corners = fours[: len(part)].view(-1, rows, columns, 4 * f).permute(0, 3, 1, 2)
            total += gradient_of_kernels(corners, x[piece], kernels)
        return None, from_corners(total)


def gradient_of_kernels(gradient: Tensor, x: Tensor, kernels: Tensor) -> Tensor:
    """That of a convolution of x at every second pixel of every second row, as torch computes it: without gathering
    windows, and with few kernels in half the time of a product."""
    settings = [None, [2, 2], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]]
    return torch.ops.aten.convolution_backward.default(gradient, x, kernels, *settings)[1]


def spread(gradient: Tensor, first: Tensor, pairs: Tensor) -> None:
    """Fill (M, 2, F) `pairs` with an (M, F) gradient where the larger of the two stood, and zeros."""
    passed = torch.mul(gradient, first, out=pairs[:, 0])
    torch.sub(gradient, passed, out=pairs[:, 1])
