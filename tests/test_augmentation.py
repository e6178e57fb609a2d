import math

import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from recognition.base.determinism import generator
from recognition.training.augmentation import Distortion, Draws, blurring


def drawn(distortion: Distortion, n: int = 2000) -> Draws:
    return distortion.draw(n, 28, generator(0, "affine"))


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
    still = Distortion(0, 0, 0)
    assert torch.equal(still.apply(ink, drawn(still, 8)), ink)


def test_the_changes_are_as_strong_as_said_and_use_the_whole_range():
    matrices = drawn(Distortion(rotation=20, scale=0.2, shift=3)).matrices
    (a, b), (c, d) = matrices[:, 0, :2].unbind(1), matrices[:, 1, :2].unbind(1)
    wide, high = (a**2 + b**2).sqrt(), (c**2 + d**2).sqrt()
    angle = torch.atan2(c, d) * 180 / math.pi
    for values, low, high_ in [(wide, 0.8, 1.2), (high, 0.8, 1.2), (angle, -20, 20)]:
        assert low <= values.min() < low + 0.01 * (high_ - low) and high_ - 0.01 * (high_ - low) < values.max() <= high_
    torch.testing.assert_close(a * d - b * c, wide * high, rtol=0, atol=1e-5)  # turned and stretched, never sheared


@pytest.mark.parametrize(("across", "down"), [(1, 0), (0, 1), (-1, 0.5)])
def test_a_shift_is_in_pixels(across, down):
    distortion = Distortion(rotation=0, scale=0, shift=2)
    moved = distortion.apply(square(), Draws(torch.tensor([[[1.0, 0, across], [0, 1, down]]]), None))
    assert centre(moved) == pytest.approx((-2 * across, -2 * down), abs=0.01)


def test_a_quarter_turn_is_a_quarter_turn():
    ink = torch.rand(1, 1, 28, 28)
    # what the result shows at the top (0, -1) comes from the right (1, 0)
    turned = Distortion(90, 0, 0).apply(ink, Draws(torch.tensor([[[0.0, -1, 0], [1, 0, 0]]]), None))
    torch.testing.assert_close(turned, ink.rot90(1, (2, 3)), rtol=0, atol=1e-4)


def test_left_and_right_change_places_in_every_other_picture_and_before_all_else():
    ink = torch.rand(1000, 1, 28, 28)
    alone, moving = Distortion(0, 0, 0, mirrored=True), Distortion(20, 0.2, 1.5, 0.3, 80, 4, mirrored=True)
    found = alone.apply(ink, drawn(alone, 1000))
    mirrored = (found == ink.flip(-1)).flatten(1).all(1)
    assert torch.equal(found[~mirrored], ink[~mirrored]) and 450 < mirrored.sum() < 550
    draws = drawn(moving, 1000)
    plain = draws._replace(mirrored=None)
    turned = torch.where(draws.mirrored.view(-1, 1, 1, 1), ink.flip(-1), ink)
    assert torch.equal(moving.apply(ink, draws), moving.apply(turned, plain))


@pytest.mark.parametrize(
    "distortion",
    [Distortion(8, 0.1, 1.5), Distortion(20, 0.2, 1.5, 0.3, 80, 4), Distortion(8, 0.1, 1.5, mirrored=True)],
)
def test_each_picture_is_changed_by_its_own_draw_whatever_the_batch(distortion):
    ink = torch.rand(6, 1, 28, 28)
    draws = drawn(distortion, 6)
    together = distortion.apply(ink, draws)
    alone = torch.cat([distortion.apply(ink[i : i + 1], draws[[i]]) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert not torch.allclose(together, ink, atol=0.01)


@pytest.mark.parametrize("sigma", [1.0, 4.0, 6.0])
def test_the_blur_is_torchvisions(sigma):
    picture = torch.rand(1, 28, 28)
    width = 2 * int(4 * sigma) + 1
    oracle = transforms.gaussian_blur(picture, [width, width], [sigma, sigma])
    torch.testing.assert_close(blurring(28, sigma) @ picture @ blurring(28, sigma).T, oracle, rtol=0, atol=1e-5)


def test_elastic_displacements_are_applied_as_torchvision_applies_them():
    distortion, ink = Distortion(0, 0, 0, elastic=80.0), torch.rand(1, 1, 28, 28)
    draws = drawn(distortion, 1)
    oracle = transforms.elastic(ink, draws.displacements)
    torch.testing.assert_close(distortion.apply(ink, draws), oracle, rtol=0, atol=1e-5)


def test_elastic_moves_pixels_as_far_as_said():
    pixels = drawn(Distortion(0, 0, 0, elastic=80.0, smoothness=4.0)).displacements * 14
    assert pixels[:, 8:20, 8:20].std().item() == pytest.approx(80 / 2 / (2 * 4 * math.sqrt(3 * math.pi)), rel=0.1)


def test_a_shear_moves_the_rows_in_proportion_to_their_height():
    matrices = drawn(Distortion(0, 0, 0, shear=0.3)).matrices
    slant = matrices[:, 0, 1]
    assert -0.3 <= slant.min() < -0.295 and 0.295 < slant.max() <= 0.3
    torch.testing.assert_close(matrices[:, :, 0], torch.tensor([[1.0, 0.0]]).expand(2000, 2))
    torch.testing.assert_close(matrices[:, 1, 1], torch.ones(2000))
