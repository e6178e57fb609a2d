"""Pooling as a training wants it: with the first convolution in one go, and gradients that keep their layout."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CACHED = 1 << 19  # float32 numbers, 2 MB: what a core writes and reads again without the way to memory


def convolve_and_pool(x: Tensor, conv: nn.Conv2d, pool: nn.Module) -> Tensor:
    """pool(conv(x)) but for rounding, for a convolution with padding "same" of (N, 1, H, W) pictures.

    A mean of 3×3 after a convolution is one convolution with larger kernels at every third pixel: a fifth of the
    multiplications. For a maximum of 2×2, the windows of the picture that one maximum depends on become the rows of a
    matrix; its product with four shifted copies of each kernel holds the four values. That is 1.4 times the
    multiplications, but a convolution of one channel leaves most of a vector empty, and with many filters it writes
    more than a cache holds: the widest network of the sweep trains 1.25 times as fast this way.
    """
    weight, bias, size = conv.weight, conv.bias, conv.kernel_size[0]
    assert bias is not None
    before = (size - 1) // 2
    padded = F.pad(x, (before, size - 1 - before) * 2)
    match pool:
        case nn.AvgPool2d(kernel_size=int(n)):
            box = torch.full((1, 1, n, n), 1 / n**2, dtype=x.dtype, device=x.device)
            kernels = F.conv2d(F.pad(weight, (n - 1,) * 4), box)
            return F.conv2d(padded, kernels.contiguous(memory_format=torch.channels_last), bias, stride=n)
        case nn.MaxPool2d(kernel_size=2):
            kernels = (weight.flatten(1) @ corners(size, x.device.type)).unflatten(1, (4, -1))  # (F, 4, K)
            kernels = kernels.permute(2, 1, 0).flatten(1)
            found = Largest.apply(windows(padded.squeeze(1), size + 1, 2), kernels)
            n, rows, columns, _ = found.shape
            found = found.view(n, -1) + bias.repeat(rows * columns)
            return found.view(n, rows, columns, -1).permute(0, 3, 1, 2)  # channels last
    return pool(conv(x))


@cache
def corners(size: int, device: str) -> Tensor:
    """(size², 4 * (size + 1)²) zeros and ones: a product with it puts a kernel into each corner of a larger window.

    Column by column, as `windows` lays them out.
    """
    kernels = torch.eye(size * size, device=device).view(-1, size, size).transpose(1, 2)
    places = [(down, 1 - down, right, 1 - right) for down in (0, 1) for right in (0, 1)]
    return torch.cat([F.pad(kernels, place).flatten(1) for place in places], dim=1)


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """(N, H, W) to (N, rows, columns, size * size): the windows at every `stride`th pixel, column by column.

    A view of a copy in which each window is one piece of memory: to gather its rows takes a third of the time.
    """
    strips = x.unfold(1, size, stride).contiguous()  # (N, rows, W, size)
    return strips.flatten(2).unfold(2, size * size, stride * size)


class Largest(torch.autograd.Function):
    """(N, rows, columns, K) windows and (K, 4 * F) kernels to (N, rows, columns, F): the largest of four products each.

    Computed in pieces of the batch that fit into a cache, in their order; torch's own maximum costs more, and its
    gradient ten times so. The windows get no gradient.
    """

    @staticmethod
    def forward(ctx, windows: Tensor, kernels: Tensor) -> Tensor:
        n, rows, columns, k = windows.shape
        f = kernels.shape[1] // 4
        largest = kernels.new_empty((n, rows, columns, f))
        first_half = kernels.new_empty((n, rows * columns, 2 * f))  # 1.0 where the larger value stands there, else 0.0
        first = torch.empty_like(largest)
        step = max(1, CACHED // (rows * columns * 4 * f))
        for piece in (slice(start, start + step) for start in range(0, n, step)):
            values = windows[piece].reshape(-1, k) @ kernels
            a, b = values.view(-1, 2, 2 * f).unbind(1)
            torch.ge(a, b, out=first_half[piece].view(-1, 2 * f))
            a, b = torch.maximum(a, b).view(-1, 2, f).unbind(1)
            torch.ge(a, b, out=first[piece].view(-1, f))
            torch.maximum(a, b, out=largest[piece].view(-1, f))
        ctx.save_for_backward(windows, first_half, first)
        ctx.step = step
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        windows, first_half, first = ctx.saved_tensors
        n, rows, columns, k = windows.shape
        f, step = gradient.shape[-1], ctx.step
        total = gradient.new_zeros((k, 4 * f))
        pairs, fours = (gradient.new_empty((step * rows * columns, 2, m)) for m in (f, 2 * f))
        gradient = gradient.contiguous()
        for piece in (slice(start, start + step) for start in range(0, n, step)):
            products = windows[piece].reshape(-1, k)
            spread(gradient[piece].view(-1, f), first[piece].view(-1, f), pairs[: len(products)])
            halves = pairs[: len(products)].view(-1, 2 * f)
            spread(halves, first_half[piece].view(-1, 2 * f), fours[: len(products)])
            total.addmm_(products.T, fours[: len(products)].view(-1, 4 * f))
        return None, total


def spread(gradient: Tensor, first: Tensor, pairs: Tensor) -> None:
    """Fill (M, 2, F) `pairs` with an (M, F) gradient where the larger of the two stood, and zeros."""
    passed = torch.mul(gradient, first, out=pairs[:, 0])
    torch.sub(gradient, passed, out=pairs[:, 1])
