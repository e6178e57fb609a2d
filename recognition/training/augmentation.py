"""Small random changes of the training pictures, batched: tensors in, tensors out."""

import math
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import gaussian_blur


class Draws(NamedTuple):
    """What chance has decided for n pictures."""

    matrices: Tensor  # (n, 2, 3) affine maps, as torch.nn.functional.affine_grid takes them, of the strength 1 in shift
    displacements: Tensor | None  # (n, H, W, 2), as torch.nn.functional.grid_sample counts: the picture is 2 wide

    def __getitem__(self, index):  # the draws of the chosen pictures, not a field
        return Draws(self.matrices[index], None if self.displacements is None else self.displacements[index])

    def to(self, device: str | torch.device) -> "Draws":
        return Draws(self.matrices.to(device), None if self.displacements is None else self.displacements.to(device))


@dataclass(frozen=True)
class Distortion:
    """How far a picture may be changed at most; each picture differently, each epoch anew.

    An affine map, then elastic displacements (P. Simard et al., "Best practices for convolutional neural networks
    applied to visual document analysis", 2003) as torchvision's ElasticTransform draws them, in one resampling.
    """

    rotation: float  # degrees, either way
    scale: float  # share by which height and width grow or shrink, each on its own
    shift: float  # pixels, in each direction
    shear: float = 0.0  # pixels to the side per pixel of height, either way
    elastic: float = 0.0  # ElasticTransform's alpha; 100 moves a pixel by some 2 pixels at a smoothness of 4
    smoothness: float = 4.0  # ElasticTransform's sigma, pixels

    def draw(self, n: int, size: int, generator: torch.Generator) -> Draws:
        """The changes of n pictures, `size` pixels high and wide."""
        angle, wide, high, across, down = (torch.rand(5, n, generator=generator) * 2 - 1).unbind()
        angle = angle * math.radians(self.rotation)
        wide, high = 1 + self.scale * wide, 1 + self.scale * high
        slant = self.shear * (torch.rand(n, generator=generator) * 2 - 1) if self.shear else torch.zeros(n)
        cos, sin = angle.cos(), angle.sin()
        rows = [cos * wide, (slant * cos - sin) * wide, across, sin * high, (slant * sin + cos) * high, down]
        matrices = torch.stack(rows, dim=1).view(n, 2, 3)
        if not self.elastic:
            return Draws(matrices, None)
        noise = torch.rand(n, 2, size, size, generator=generator) * 2 - 1
        blur = blurring(size, self.smoothness)
        return Draws(matrices, (blur @ noise @ blur.T).permute(0, 2, 3, 1) * (self.elastic / size))

    def apply(self, ink: Tensor, draws: Draws) -> Tensor:
        """(N, 1, H, W) float ink, 0 where there is none, with the n-th picture changed by the n-th draw."""
        if not (self.rotation or self.scale or self.shift or self.shear or self.elastic):
            return ink
        reach = torch.tensor([1.0, 1.0, 2 * self.shift / ink.shape[-1]], device=ink.device)
        grid = F.affine_grid(draws.matrices * reach, list(ink.shape), align_corners=False)
        if draws.displacements is not None:
            grid = grid + draws.displacements
        return F.grid_sample(ink, grid, align_corners=False)


@cache
def blurring(size: int, sigma: float) -> Tensor:
    """(size, size): the matrix whose product with a column is torchvision's Gaussian blur of it, edges mirrored.

    A blur of both axes is then two small products, where a convolution with the whole kernel takes a hundred times as
    long.
    """
    width = min(2 * int(4 * sigma) + 1, 2 * size - 1)  # as ElasticTransform cuts the kernel off
    return gaussian_blur(torch.eye(size)[None], [1, width], [sigma, sigma])[0]
