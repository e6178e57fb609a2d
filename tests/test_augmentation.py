import math

import pytest
import torch

from recognition.augmentation import Affine
from recognition.determinism import generator


def drawn(affine: Affine, n: int = 2000) -> torch.Tensor:
    return affine.draw(n, generator(0, "affine"))


def square() -> torch.Tensor:
    ink = torch.zeros(1, 1, 28, 28)
    ink[..., 10:18, 10:18] = 255
    return ink


def centre(ink: torch.Tensor) -> tuple[float, float]:
    """The centre of mass (x, y) in pixels from the picture's middle."""
    place = torch.arange(28) - 13.5
    return tuple((ink.sum(axis)[0, 0] * place).sum().item() / ink.sum().item() for axis in (2, 3))


def test_at_strength_zero_it_is_the_identity():
    ink = torch.rand(8, 1, 28, 28)
    still = Affine(0, 0, 0)
    assert torch.equal(still.apply(ink, drawn(still, 8)), ink)


def test_the_changes_are_as_strong_as_said_and_use_the_whole_range():
    matrices = drawn(Affine(rotation=20, scale=0.2, shift=3))
    (a, b), (c, d) = matrices[:, 0, :2].unbind(1), matrices[:, 1, :2].unbind(1)
    wide, high = (a**2 + b**2).sqrt(), (c**2 + d**2).sqrt()
    angle = torch.atan2(c, d) * 180 / math.pi
    for values, low, high_ in [(wide, 0.8, 1.2), (high, 0.8, 1.2), (angle, -20, 20)]:
        assert low <= values.min() < low + 0.01 * (high_ - low) and high_ - 0.01 * (high_ - low) < values.max() <= high_
    torch.testing.assert_close(a * d - b * c, wide * high, rtol=0, atol=1e-5)  # turned and stretched, never sheared


@pytest.mark.parametrize(("across", "down"), [(1, 0), (0, 1), (-1, 0.5)])
def test_a_shift_is_in_pixels(across, down):
    affine = Affine(rotation=0, scale=0, shift=2)
    moved = affine.apply(square(), torch.tensor([[[1.0, 0, across], [0, 1, down]]]))
    assert centre(moved) == pytest.approx((-2 * across, -2 * down), abs=0.01)


def test_a_quarter_turn_is_a_quarter_turn():
    ink = torch.rand(1, 1, 28, 28)
    # what the result shows at the top (0, -1) comes from the right (1, 0)
    turned = Affine(90, 0, 0).apply(ink, torch.tensor([[[0.0, -1, 0], [1, 0, 0]]]))
    torch.testing.assert_close(turned, ink.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_each_picture_is_changed_by_its_own_matrix_whatever_the_batch():
    affine, ink = Affine(8, 0.1, 1.5), torch.rand(6, 1, 28, 28)
    matrices = drawn(affine, 6)
    together = affine.apply(ink, matrices)
    alone = torch.cat([affine.apply(ink[i : i + 1], matrices[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert not torch.allclose(together, ink, atol=0.01)
