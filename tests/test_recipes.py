"""Tests of what benchmarks/recipes.py compares that the project's own training cannot."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.variants import Around, Averaged, Erasing, Moving, Smoothed, around
from recognition.base.determinism import generator
from recognition.networks.quick import quicken
from recognition.sweep import task

ROOT = Path(__file__).parent.parent
CELL = task.cell(
    *("MnistNet", 5, 10, 3),
    **{"epochs": 1, "dropout": 0.0, "optimizer": "sgd", "batch_size": 64},
    **{"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0},
)


def test_a_rectangle_of_one_grey_is_put_on_half_of_the_pictures_anywhere_and_nothing_else_changes():
    n, erasing = 4000, Erasing(0.0, 0.0, 0.0)
    ink = torch.rand(n, 1, 28, 28, generator=generator(2, "test")) / 2 + 0.1  # no grey of a rectangle
    draws = erasing.draw(n, 28, generator(1, "test"))
    order = torch.randperm(n, generator=generator(3, "test"))
    found = erasing.apply(ink[order], draws[order])[order.argsort()]
    gone = found != ink
    rows, columns = gone.any(3).sum((1, 2)), gone.any(2).sum((1, 2))
    assert torch.equal(gone.sum((1, 2, 3)), rows * columns)  # a rectangle
    greys = torch.where(gone, found, torch.nan).view(n, -1)
    assert torch.equal(greys.nanmean(1).nan_to_num(), draws.holes[:, 4] * (rows > 0))
    assert abs((rows > 0).float().mean() - 0.5) < 0.03
    area = (draws.holes[:, 2] - draws.holes[:, 0]) * (draws.holes[:, 3] - draws.holes[:, 1])
    assert area.max() <= 0.4 + 1e-6 and abs(area[area > 0].mean() - 0.21) < 0.01
    assert (area - rows * columns / 28**2).abs().max() < 2 / 28
    assert (draws.holes[:, :4] >= 0).all() and (draws.holes[:, :4] <= 1 + 1e-6).all()
    often = gone.float().mean(0)[0]
    assert often.min() > 0 and max((often - often.flip(axis)).abs().max() for axis in (0, 1)) < 0.03
    assert (often - often.T).abs().max() < 0.03


def test_whole_pixels_are_moved_and_nothing_is_blurred():
    ink = torch.rand(300, 1, 28, 28, generator=generator(2, "test"))
    moving = Moving(0.0, 0.0, 1.0)
    draws = moving.draw(300, 28, generator(1, "test"))
    found = moving.apply(ink, draws)
    padded = F.pad(ink, (1, 1, 1, 1))
    ways = {(x, y): padded[:, :, 1 + y : 29 + y, 1 + x : 29 + x] for x in (-1, 0, 1) for y in (-1, 0, 1)}
    counts = [int(((found - moved).abs().amax((1, 2, 3)) < 1e-4).sum()) for moved in ways.values()]
    assert sum(counts) == 300 and min(counts) > 15


def test_smoothed_labels_are_torchs():
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 4), nn.LogSoftmax(1))
    x, labels = torch.randn(6, 3, 3, generator=generator(1, "test")), torch.tensor([0, 1, 2, 3, 0, 1])
    smoothed = Smoothed(network, 0.1)
    expected = F.cross_entropy(network[:2](x), labels, label_smoothing=0.1)
    torch.testing.assert_close(F.nll_loss(smoothed(x), labels), expected)
    assert torch.equal(smoothed.eval()(x), network(x))


@pytest.mark.parametrize("quick", [False, True])
def test_an_average_is_read_and_each_step_moves_it_by_its_share(quick):
    averaged = around(CELL, Averaged, 0.9).network(10)
    trained = quicken(averaged) if quick else averaged
    x = torch.randn(2, 1, 28, 28, generator=generator(1, "test"))
    before = [parameter.detach().clone() for parameter in averaged.network.parameters()]
    for _ in range(3):
        with torch.no_grad():
            for parameter in averaged.network.parameters():
                parameter.add_(0.01)
        trained.train()(x)
    moved = sum(0.01 * (1 - 0.9 ** (3 - step)) for step in range(3))
    plain = CELL.network(10).eval()
    with torch.no_grad():
        for parameter, first in zip(plain.parameters(), before, strict=True):
            parameter.copy_(first + moved)
    torch.testing.assert_close(averaged.eval()(x), plain(x))
    torch.testing.assert_close(trained.eval()(x), plain(x))


def test_a_cell_around_is_another_with_the_same_first_weights_and_draws():
    cells = {CELL, around(CELL, Averaged, 0.1), around(CELL, Smoothed, 0.1), around(CELL, Smoothed, 0.2)}
    assert len(cells) == 4 and len({repr(cell) for cell in cells}) == 4
    own = around(CELL, Smoothed, 0.1)
    assert own._replace(dropout=0.5)._replace(dropout=0.0) == own and isinstance(own.recipe, Around)
    for one, other in zip(own.network(10).parameters(), CELL.network(10).parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_committed_tables_add_up():
    """What a row gains is its share less the first row's, and what counts is what exceeds chance."""
    parts = (ROOT / "reports/recipes.md").read_text().split("\n## ")[1:]
    assert len(parts) == 3
    for part in parts:
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("| ")]
        (_, own, nothing, _), *others = ([name, *map(number, rest)] for name, *rest in rows[2:])
        assert nothing is None and len(others) >= 6
        chance = number(re.search(r"by up to (\S+)\Wpoints by chance", part)[1])
        assert all(abs(share - own - gain) < 0.011 for _, share, gain, _ in others)
        for sign, word in (1, "gains"), (-1, "loses"):
            [said] = re.findall(f"^- More than that {word}: (.+)\\.$", part, re.MULTILINE)
            beyond = [name for name, _, gain, _ in others if sign * gain > chance]
            assert said == ("; ".join(beyond) or "nothing")


def number(text: str) -> float | None:
    found = re.match(r"-?[0-9.]+", text)
    return float(found[0]) if found else None
