"""Products of matrices: the same bytes on every vendor's processor, quickly.

torch's own products go through MKL, which takes its kernels by the vendor: on Intel MKL_CBWR settles them, on AMD it
heeds that for COMPATIBLE alone, which is what `determinism` sets: slow for large matrices. oneDNN heeds
ONEDNN_MAX_CPU_ISA on every processor, but takes 30 µs before it begins. So each gets what it is good at.
"""

import torch
from torch import Tensor

SMALL = 1 << 19  # multiplications, below which MKL's COMPATIBLE kernels take less time


def product(a: Tensor, b: Tensor) -> Tensor:
    """(M, K) and (K, N) float32 of any strides to (M, N). Not differentiable."""
    if a.device.type != "cpu" or a.dtype != torch.float32 or a.numel() * b.shape[1] < SMALL:
        return a @ b
    return torch.ops.mkldnn._linear_pointwise.default(a, b.T, None, "none", [], "")


def product_of_tall(a: Tensor, b: Tensor) -> Tensor:
    """(M, K) and (M, N) float32, contiguous, M large, to (K, N): a.T @ b, without transposing. Not differentiable.

    It is what the weights of a convolution of 1x1 get as their gradient, (M, K) its input and (M, N) its output's.
    """
    if a.device.type != "cpu" or a.dtype != torch.float32 or a.numel() * b.shape[1] < SMALL:
        return a.T @ b
    (m, k), n = a.shape, b.shape[1]
    x, gradient = (part.view(1, m, 1, -1).permute(0, 3, 1, 2) for part in (a, b))  # channels last, a pixel a row
    weight = torch.empty((n, k, 1, 1), memory_format=torch.channels_last)  # of which only the shape counts
    settings = [None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]]
    found = torch.ops.aten.convolution_backward.default(gradient, x, weight, *settings)[1]
    return found.view(n, k).T
