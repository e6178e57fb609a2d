"""The benchmark's sheets of every kind: the same of the same seed, with what is said to be written on them."""

import numpy as np
import pytest
import torch
from PIL import Image
from test_papers import SEVEN

from benchmarks import sheets
from benchmarks.papers.__main__ import random_of
from recognition import networks
from recognition.base.determinism import generator
from recognition.training import checkpoints, datasets, doubt


@pytest.fixture(autouse=True)
def hands(monkeypatch):
    """MNIST need not be there."""
    monkeypatch.setattr(sheets, "hands", lambda: {str(digit): SEVEN[None] for digit in range(10)})


@pytest.mark.parametrize("name", sheets.KINDS)
def test_a_sheet_is_drawn_by_its_seed(name):
    picture, texts = sheets.KINDS[name](random_of(name, 0))
    assert picture.dtype == np.uint8 and picture.ndim == 2
    assert texts and all(text and set(text) <= set("0123456789?") for text in texts)
    again, same = sheets.KINDS[name](random_of(name, 0))
    assert np.array_equal(picture, again) and texts == same
    assert not np.array_equal(picture, sheets.KINDS[name](random_of(name, 1))[0])


@pytest.mark.parametrize(
    ("a", "b", "n"),
    [("", "", 0), ("123", "123", 0), ("12", "1234", 2), ("123", "13", 1), ("123", "153", 1), ("", "12", 2)],
)
def test_the_distance_in_closed_form(a, b, n):
    assert sheets.distance(a, b) == sheets.distance(b, a) == n


def test_what_is_written_stands_where_it_is_said():
    ink = sheets.blank(200, 600)
    places = sheets.write(ink, "7 7-", (80, 100), 90, np.random.default_rng(0), pitch=1.5)
    assert [x for x, _ in places] == [80, 350, 485]
    columns = np.flatnonzero(ink.max(axis=0) > 0.5)
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert [run.mean() for run in runs] == pytest.approx([80, 350, 485], abs=12)


def test_a_line_is_printed_for_each_kind_and_the_sheets_are_kept(tmp_path, monkeypatch, capsys):
    scale = datasets.Normalisation(0.13, 0.31)
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    known = doubt.Known(torch.ones(10, 1, 1030, dtype=torch.int8), doubt.FURTHEST)
    classes = datasets.CLASSES["mnist"]
    checkpoints.save(
        tmp_path / "c.pth", checkpoints.Checkpoint("MnistNet", {}, network.state_dict(), classes, scale, 1, *known)
    )
    monkeypatch.setattr(sheets, "MODEL", tmp_path / "c.pth")
    monkeypatch.setattr("sys.argv", ["sheets", "--kind", "two digits alone", "--pictures", str(tmp_path / "drawn")])
    sheets.main()
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]] == [["two", "digits", "alone"]]
    kept = sorted((tmp_path / "drawn").iterdir())
    assert [path.name for path in kept] == [f"two_digits_alone_{n}.png" for n in range(sheets.EACH)]
    assert np.array_equal(
        np.asarray(Image.open(kept[0])), sheets.KINDS["two digits alone"](random_of("two digits alone", 0))[0]
    )
