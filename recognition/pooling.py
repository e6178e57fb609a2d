"""A convolution of pictures and the pooling after it, in one go."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TWO_VECTORS = 16  # float32 numbers; of fewer channels a kernel leaves part of its vectors empty


def convolve_and_pool(x: Tensor, conv: nn.Conv2d, pool: nn.Module) -> Tensor:
    """pool(conv(x)) but for rounding, for a convolution with padding "same" of (N, 1, H, W) pictures.

    A mean after a convolution is one convolution with larger kernels at every third pixel: a fifth of the
    multiplications. For a maximum of 2×2 the four values are computed as four groups of channels, by one convolution at
    every second pixel: 1.4 times the multiplications, but a narrow convolution is then 1.8 times as fast.
    """
    before = (conv.kernel_size[0] - 1) // 2
    after = conv.kernel_size[0] - 1 - before
    padded = (before, after, before, after)
    weight, f = conv.weight, conv.out_channels
    match pool:
        case nn.AvgPool2d(kernel_size=size):
            box = torch.full((1, 1, size, size), 1 / size**2, dtype=x.dtype, device=x.device)
            weight = F.conv2d(F.pad(weight, (size - 1,) * 4), box)
            return F.conv2d(F.pad(x, padded), channels_last(weight), conv.bias, stride=size)
        case nn.MaxPool2d(kernel_size=2) if f < TWO_VECTORS:
            shifted = [F.pad(weight, (right, 1 - right, down, 1 - down)) for down in (0, 1) for right in (0, 1)]
            groups = F.conv2d(F.pad(x, padded), channels_last(torch.cat(shifted)), conv.bias.repeat(4), stride=2)
            n, _, height, width = groups.shape
            halves = larger_half(groups.permute(0, 2, 3, 1).reshape(-1, 2, 2 * f))
            return larger_half(halves.view(-1, 2, f)).view(n, height, width, f).permute(0, 3, 1, 2)
    return pool(conv(x))


class LargerHalf(torch.autograd.Function):
    """(N, 2, M) to (N, M): the larger of each two. torch's own maximum costs more, and its gradient ten times so."""

    @staticmethod
    def forward(ctx, pairs: Tensor) -> Tensor:
        first, second = pairs.unbind(1)
        chosen = torch.empty_like(first, memory_format=torch.contiguous_format)
        ctx.save_for_backward(torch.ge(first, second, out=chosen))  # 1.0 where the first is passed on, else 0.0
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (chosen,) = ctx.saved_tensors
        pairs = gradient.new_empty((len(gradient), 2, gradient.shape[1]))
        first = torch.mul(gradient, chosen, out=pairs[:, 0])
        torch.sub(gradient, first, out=pairs[:, 1])
        return pairs


larger_half = LargerHalf.apply


def channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)
