"""Small random changes of the training pictures, batched: tensors in, tensors out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from recognition.networks.quick.products import product


class Draws(NamedTuple):
    """What chance has decided for n pictures."""

    matrices: Tensor  # (n, 2, 3) affine maps, as torch.nn.functional.affine_grid takes them, of the strength 1 in shift
    displacements: Tensor | None  # (n, H, W, 2), as torch.nn.functional.grid_sample counts: the picture is 2 wide
    mirrored: Tensor | None = None  # (n,) bool

    def __getitem__(self, index):  # the draws of the chosen pictures, not a field
        return self.each(lambda own: own[index])

    def to(self, device: str | torch.device) -> "Draws":
        return self.each(lambda own: own.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Draws":
        others = (self.displacements, self.mirrored)
        return Draws(change(self.matrices), *(None if own is None else change(own) for own in others))


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
    mirrored: bool = False  # whether left and right change places in every other picture, before all else

    def draw(self, n: int, size: int, generator: torch.Generator) -> Draws:
        """The changes of n pictures, `size` pixels high and wide."""
        angle, wide, high, across, down = (torch.rand(5, n, generator=generator) * 2 - 1).unbind()
        angle = angle * math.radians(self.rotation)
        wide, high = 1 + self.scale * wide, 1 + self.scale * high
        slant = self.shear * (torch.rand(n, generator=generator) * 2 - 1) if self.shear else torch.zeros(n)
        cos, sin = angle.cos(), angle.sin()
        rows = [cos * wide, (slant * cos - sin) * wide, across, sin * high, (slant * sin + cos) * high, down]
        matrices = torch.stack(rows, dim=1).view(n, 2, 3)
        mirrored = torch.rand(n, generator=generator) < 0.5 if self.mirrored else None
        if not self.elastic:
            return Draws(matrices, None, mirrored)
        noise = torch.rand(n, 2, size, size, generator=generator) * 2 - 1
        blur = blurring(size, self.smoothness)
        for _ in range(2):  # along each axis, which then changes places with the other
            noise = product(noise.reshape(-1, size), blur.T).view(noise.shape).transpose(2, 3)
        return Draws(matrices, noise.permute(0, 2, 3, 1) * (self.elastic / size), mirrored)

    def apply(self, ink: Tensor, draws: Draws) -> Tensor:
        """(N, 1, H, W) float ink, 0 where there is none, with the n-th picture changed by the n-th draw."""
        if draws.mirrored is not None:
            ink = torch.where(draws.mirrored.view(-1, 1, 1, 1), ink.flip(-1), ink)
        if not (self.rotation or self.scale or self.shift or self.shear or self.elastic):
            return ink
        grid = affine_grid(draws.matrices, *ink.shape[-2:], shift=2 * self.shift / ink.shape[-1])
        if draws.displacements is not None:
            grid = grid + draws.displacements
        return F.grid_sample(ink, grid, align_corners=False)


def affine_grid(matrices: Tensor, height: int, width: int, shift: float) -> Tensor:
    """(n, 2, 3) to (n, height, width, 2), as torch.nn.functional.affine_grid, with `shift` times the last column.

    By sums, where torch's takes a product of matrices.
    """
    y, x = (
        ((2 * torch.arange(size, device=matrices.device) + 1) / size - 1).view(shape)
        for size, shape in ((height, (1, -1, 1)), (width, (1, 1, -1)))
    )
    a, b, c, d, e, f = matrices.view(-1, 6, 1, 1).unbind(1)
    return torch.stack([a * x + (b * y + shift * c), d * x + (e * y + shift * f)], dim=-1)


@cache
def blurring(size: int, sigma: float) -> Tensor:
    """(size, size): the matrix whose product with a column is torchvision's Gaussian blur of it, edges mirrored.

    A blur of both axes is then two small products, where a convolution with the whole kernel takes a hundred times as
    long.
    """
    reach = min(int(4 * sigma), size - 1)  # as ElasticTransform cuts the kernel off
    kernel = [math.exp(-0.5 * (place / sigma) * (place / sigma)) for place in range(-reach, reach + 1)]
    total, matrix = math.fsum(kernel), [[0.0] * size for _ in range(size)]
    for row in range(size):
        for place, weight in zip(range(row - reach, row + reach + 1), kernel, strict=True):
            mirrored = size - 1 - abs(size - 1 - abs(place))
            matrix[row][mirrored] += weight / total
    return torch.tensor(matrix)
