"""The benchmark's pictures of every kind: the same of the same seed, fit to be read, the digit on them."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from benchmarks.papers import __main__ as papers
from benchmarks.papers.drawing import KINDS, by_hand, lines, put, stroke_width, strokes, thinned
from recognition import networks
from recognition.base.determinism import generator
from recognition.training import checkpoints, datasets, doubt

SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[5:8, 7:20] = 255
for row in range(8, 24):
    SEVEN[row, 22 - row * 5 // 8 : 25 - row * 5 // 8] = 255


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """MNIST need not be there."""
    monkeypatch.setattr("benchmarks.papers.drawing._others", lambda: SEVEN[None])


def picture(name: str, digit: np.ndarray = SEVEN) -> np.ndarray:
    return KINDS[name].picture(digit, papers.random_of(name, 0))


def grey(picture: np.ndarray) -> np.ndarray:
    alone = picture[..., 3] if picture.shape[2:] == (4,) else picture  # the ink of what is transparent
    return np.asarray(Image.fromarray(alone).convert("L"), float)


def thumbnail(mask: np.ndarray) -> np.ndarray:
    """Cropped, and blurred to what all pens have in common."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    crop = Image.fromarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32))
    return ndimage.gaussian_filter(np.asarray(crop.resize((20, 20), Image.Resampling.BOX)), 2)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_drawn_by_its_seed_and_shows_the_digit(name):
    drawn = picture(name)
    assert drawn.dtype == np.uint8
    assert drawn.ndim == 2 or drawn.shape[2] in (3, 4)
    assert 28 <= min(drawn.shape[:2]) <= max(drawn.shape[:2]) <= 1000
    assert drawn.tobytes() == picture(name).tobytes()

    changed = ndimage.uniform_filter(abs(grey(drawn) - grey(picture(name, SEVEN[:, ::-1]))), 3)  # nothing else does
    assert changed.max() > 20
    shown, meant = thumbnail(changed > changed.max() / 2), thumbnail(SEVEN[:, ::-1] != SEVEN)
    assert np.corrcoef(shown.ravel(), meant.ravel())[0, 1] > 0.5


def test_strokes_keep_their_size_and_pens_their_width():
    ink = strokes(SEVEN, 190)  # 10 pixels each of its own
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.5), np.flatnonzero(ink.max(axis=0) > 0.5)
    assert np.ptp(rows) == pytest.approx(190, abs=8)
    assert np.ptp(columns) == pytest.approx(130, abs=8)
    assert stroke_width(ink) == pytest.approx(30, abs=4)
    assert stroke_width(thinned(ink, 10)) == pytest.approx(10, abs=3)


def test_lines_cover_their_share_in_every_direction():
    for angle in 0, 5, 90:
        assert lines((400, 300), angle, apart=20, width=4).mean() == pytest.approx(4 / 20, abs=0.01)


def test_a_line_by_hand_goes_from_corner_to_corner():
    line = by_hand((100, 120), [(10, 10), (110, 10), (110, 90)], 6, np.random.default_rng(0))
    assert line[7:14, 60].max() == line[50, 105:116].max() == 1
    assert line.sum() == pytest.approx(180 * 6, rel=0.15)


@pytest.mark.parametrize(("top", "left", "covered"), [(1, 2, 4), (-1, 2, 2), (9, 9, 1), (20, 0, 0), (0, -5, 0)])
def test_what_lies_beyond_the_sheet_is_left_out(top, left, covered):
    sheet = np.zeros((10, 10))
    put(sheet, np.ones((2, 2)), top, left)
    assert sheet.sum() == covered


def test_a_line_is_printed_for_each_kind_and_the_pictures_are_kept(tmp_path, monkeypatch, capsys):
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    scale = datasets.Normalisation(0.13, 0.31)
    classes = datasets.CLASSES["mnist"]
    known = doubt.Known(torch.ones(10, 1, 1030, dtype=torch.int8), doubt.FURTHEST)
    checkpoint = checkpoints.Checkpoint("MnistNet", {}, network.state_dict(), classes, scale, 1, *known)
    checkpoints.save(tmp_path / "c.pth", checkpoint)
    monkeypatch.setattr(papers, "MODEL", tmp_path / "c.pth")
    monkeypatch.setattr(papers, "digits", lambda: [("7", SEVEN), ("7", SEVEN[:, ::-1])])
    monkeypatch.setattr("sys.argv", ["papers", "--kind", "ruled level", "--pictures", str(tmp_path / "drawn")])
    papers.main()
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]] == [["ruled", "level"]]
    kept = sorted((tmp_path / "drawn" / "ruled_level").iterdir())
    assert [path.name for path in kept] == ["7_00.png", "7_01.png"]
    assert np.array_equal(np.asarray(Image.open(kept[0])), picture("ruled level"))
