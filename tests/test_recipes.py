"""Tests of what benchmarks/recipes.py compares that the project's own training cannot."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.variants import Around, Averaged, Erasing, Smoothed, around
from recognition.base.determinism import generator
from recognition.networks.quick import quicken
from recognition.sweep import task
from recognition.training.augmentation import Distortion

CELL = task.cell(
    *("MnistNet", 5, 10, 3),
    **{"epochs": 1, "dropout": 0.0, "optimizer": "sgd", "batch_size": 64},
    **{"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0},
)


def test_a_square_is_erased_anywhere_and_nothing_else():
    erasing = Erasing(0.0, 0.0, 0.0, side=8)
    draws = erasing.draw(4000, 28, generator(1, "test"))
    ink = torch.rand(4000, 1, 28, 28, generator=generator(2, "test")) + 1
    left = erasing.apply(ink, draws)
    gone = left == 0
    assert torch.equal(left[~gone], ink[~gone])
    rows, columns = gone.any(3).sum((1, 2)), gone.any(2).sum((1, 2))
    assert torch.equal(gone.sum((1, 2, 3)), rows * columns)  # a rectangle
    assert rows.max() == columns.max() == 8 and rows.min() >= 4 and columns.min() >= 4  # its middle is on the picture
    share = gone.float().mean(0)[0]
    assert share[8:-8, 8:-8].sub((8 / 28) ** 2).abs().max() < 0.03  # as likely here as there
    mirroring = Erasing(0.0, 0.0, 0.0, mirrored=True)
    draws = mirroring.draw(100, 28, generator(1, "test"))
    other = Distortion(0.0, 0.0, 0.0, mirrored=True).apply(ink[:100], draws)
    assert ((found := mirroring.apply(ink[:100], draws)) == other).logical_or(found == 0).all()


def test_smoothed_labels_are_torchs():
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.LogSoftmax(1))
    x, labels = torch.randn(6, 3, 3, generator=generator(1, "test")), torch.tensor([0, 1, 2, 3, 0, 1])
    smoothed = Smoothed(network)
    expected = F.cross_entropy(network[:2](x), labels, label_smoothing=Smoothed.SHARE)
    torch.testing.assert_close(F.nll_loss(smoothed(x), labels), expected)
    assert torch.equal(smoothed.eval()(x), network(x))


@pytest.mark.parametrize("quick", [False, True])
def test_an_average_is_read_and_each_step_moves_it_by_its_share(quick):
    averaged = around(CELL, Averaged).network(10)
    trained = quicken(averaged) if quick else averaged
    x = torch.randn(2, 1, 28, 28, generator=generator(1, "test"))
    before = [parameter.detach().clone() for parameter in averaged.network.parameters()]
    for _ in range(3):
        with torch.no_grad():
            for parameter in averaged.network.parameters():
                parameter.add_(0.01)
        trained.train()(x)
    moved = sum(0.01 * (1 - Averaged.KEPT ** (3 - step)) for step in range(3))
    plain = CELL.network(10).eval()
    with torch.no_grad():
        for parameter, first in zip(plain.parameters(), before, strict=True):
            parameter.copy_(first + moved)
    torch.testing.assert_close(averaged.eval()(x), plain(x))
    torch.testing.assert_close(trained.eval()(x), plain(x))


def test_a_cell_around_is_another_with_the_same_first_weights_and_draws():
    cells = {CELL, around(CELL, Averaged), around(CELL, Smoothed)}
    assert len(cells) == 3 and len({repr(cell) for cell in cells}) == 3
    own = around(CELL, Smoothed)
    assert own._replace(dropout=0.5)._replace(dropout=0.0) == own and isinstance(own.recipe, Around)
    for one, other in zip(own.network(10).parameters(), CELL.network(10).parameters(), strict=True):
        assert torch.equal(one, other)
