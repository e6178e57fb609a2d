"""Small random changes of the training pictures, batched: tensors in, tensors out."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Affine:
    """How far a picture may be turned, stretched and moved at most; each picture differently, each epoch anew."""

    rotation: float  # degrees, either way
    scale: float  # share by which height and width grow or shrink, each on its own
    shift: float  # pixels, in each direction

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, 2, 3) affine matrices for n pictures, as torch.nn.functional.affine_grid takes them."""
        angle, wide, high, across, down = (torch.rand(5, n, generator=generator) * 2 - 1).unbind()
        angle = angle * math.radians(self.rotation)
        wide, high = 1 + self.scale * wide, 1 + self.scale * high
        rows = [angle.cos() * wide, -angle.sin() * wide, across, angle.sin() * high, angle.cos() * high, down]
        return torch.stack(rows, dim=1).view(n, 2, 3)

    def apply(self, ink: Tensor, matrices: Tensor) -> Tensor:
        """(N, 1, H, W) float ink, 0 where there is none, with the n-th picture changed by the n-th matrix."""
        if not (self.rotation or self.scale or self.shift):
            return ink
        reach = torch.tensor([1.0, 1.0, 2 * self.shift / ink.shape[-1]], device=ink.device)
        grid = F.affine_grid(matrices * reach, list(ink.shape), align_corners=False)
        return F.grid_sample(ink, grid, align_corners=False)
