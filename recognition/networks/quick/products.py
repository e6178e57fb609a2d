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
    return onednn(a, b, None) if is_large(a, b) else a @ b


def addmm(c: Tensor, a: Tensor, b: Tensor, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """beta * c + alpha * a @ b, as torch.addmm: (M, N) or (N,), (M, K) and (K, N) to (M, N). Not differentiable."""
    if not is_large(a, b):
        return torch.addmm(c, a, b, beta=beta, alpha=alpha)
    if c.dim() == 1 and beta == alpha == 1:
        return onednn(a, b, c)
    return onednn(a, b, None).mul_(alpha).add_(c, alpha=beta)


def is_large(a: Tensor, b: Tensor) -> bool:
    """Whether a product is oneDNN's."""
    return a.numel() * b.shape[1] >= SMALL and a.device.type == "cpu" and a.dtype == torch.float32


def onednn(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise.default(a, b.T, bias, "none", [], "")
