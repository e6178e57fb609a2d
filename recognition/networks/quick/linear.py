"""Linear layers whose products are the same on every vendor's processor."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recognition.networks.quick.products import addmm, product


class Affine(torch.autograd.Function):
    """(N, K), (M, K) weights and (M,) bias to (N, M): x W' + b, with all three gradients."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return addmm(bias, x, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            product(gradient, weight) if wanted[0] else None,
            product(gradient.T, x) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


class Linear(nn.Linear):
    """torch's own but for rounding; (N, K) to (N, M)."""

    def __init__(self, layer: nn.Linear) -> None:
        """The same layer, its weights shared."""
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return Affine.apply(x, self.weight, self.bias) if x.dim() == 2 else super().forward(x)


class LinearOfMaps(Linear):
    """A linear layer with the flattening in front of it; (N, C, H, W) in channels-last order, or (N, K), to (N, M).

    It reads the maps in the order in which they lie, and so permutes its weights instead of every batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[-1] * x.shape[-2] == 1:
            return super().forward(x.flatten(1))
        weight = self.weight.unflatten(1, x.shape[1:]).permute(0, 2, 3, 1).flatten(1)
        return Affine.apply(x.permute(0, 2, 3, 1).flatten(1), weight, self.bias)
