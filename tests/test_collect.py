"""A sheet becomes labelled pictures, or one line says why not."""

import itertools
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_handwriting import shifted_difference
from test_read import touching

from recognition import __main__
from recognition.base import files
from recognition.base.errors import UserError
from recognition.ink import collect, dataset
from recognition.ink.characters import find_characters
from recognition.ink.lines import in_lines
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength
from recognition.ink.pictures import label_of, prepare

DRAW = runpy.run_path(str(Path(__file__).parents[1] / "data" / "handwriting" / "draw.py"))
ROWS = ["31415", "92658"]


def page(rows: list[str]) -> np.ndarray:
    """Rows of digits by the project's own script, side by side, on paper that is darker to one side."""

    def digit(name: str, seed: int) -> np.ndarray:
        return DRAW["ink"](name, np.random.default_rng(seed))[50:350:3, 100:300:3]

    cells = [[digit(name, seed) for seed, name in enumerate(row)] for row in rows]
    covered = np.pad(np.block(cells), 30)
    light = np.linspace(150, 230, covered.shape[1]) + np.random.default_rng(0).integers(-3, 4, covered.shape)
    return (light * (1 - 0.7 * covered)).astype(np.uint8)


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    return page(ROWS)


@pytest.fixture
def sheet(tmp_path, grey) -> Path:
    Image.fromarray(grey).save(tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


@pytest.fixture
def gather(tmp_path, sheet):
    return lambda text, writer="": collect.collect(sheet, text, writer, tmp_path / "home", tmp_path / "boxes.png")


def there(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0123456789", [list("0123456789")]),
        ("8 + 3", [["8", "+", "3"]]),
        ("7α/βγ", [["7", "alpha"], ["beta", "gamma"]]),
        ("ϑς\N{MICRO SIGN}", [["theta", "ς", "mu"]]),  # final sigma is another sign
        ("Alpha", [["alpha"]]),
        ("XI/PI Nu", [["X", "I"], ["P", "I", "nu"]]),  # letters, and a name
        ("alpha beta/gamma", [["alpha", "beta"], ["gamma"]]),
        ("treble_clef", [["treble_clef"]]),
        ("alpha 7 +", [["alpha", "7", "+"]]),
        ("plus minus 8+3", [["plus", "minus", "8", "+", "3"]]),
        ("0171 2345", [list("01712345")]),
        ("ABC/АБВ", [list("ABC"), list("АБВ")]),
        ("Alpha Hz", [["alpha", "H", "z"]]),
        ("plus/minus", [["plus"], ["minus"]]),
        ("a b c", [["a", "b", "c"]]),
        ("Жé", [["Ж", "é"]]),
        ("Жe\u0301x\u0304", [["Ж", "é", "x\u0304"]]),  # an accent is no sign of its own
    ],
)
def test_the_names_of_what_is_written(text, names):
    assert collect.names_of(text) == names


@pytest.mark.parametrize("text", ["", "/", "7/", " / ", ".", "7.5", "\x1b", "a\udcff", "a\0", "x" * 101, "1\u202e2"])
def test_what_can_be_no_name_is_one_line(text, gather, tmp_path):
    with pytest.raises(UserError, match="--as") as caught:
        gather(text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 250 and not (tmp_path / "home").exists()


@pytest.mark.parametrize("writer", ["..", "a/b", "a.b", "\0", "x" * 61, "ж" * 31, "a\nb"])
def test_what_can_be_no_writer_is_one_line(writer, gather, tmp_path):
    with pytest.raises(UserError, match="--writer") as caught:
        gather("31415/92658", writer)
    assert str(caught.value).isprintable() and not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("said", "found", "wrong"),
    [
        ([["7"]], [3, 4, 5], None),
        ([list("12")], [2], None),
        ([list("12"), ["x"]], [2, 9], None),
        ([list("0123456789")], [9], "9 found of 10"),
        ([list("123"), list("45")], [3, 4], "4 found of 2 in line 2"),
        ([list("12")], [1, 1], "2 lines found of 1"),
        ([["x"], ["y"]], [9], "1 line found of 2"),
    ],
)
def test_counts_agree_line_by_line(said, found, wrong):
    assert collect.mismatch(said, found) == wrong


def test_a_cut_picture_has_its_character_alone_and_as_it_was_on_the_sheet(grey):
    found = find_characters(strength(grey))
    assert [len(line) for line in in_lines([one.box for one in found])] == [5, 5]
    for one in found:
        again = find_characters(strength(collect.cut(grey, found, one)))
        before, after = normalise(one.ink).astype(int), normalise(again[0].ink)
        shifts = itertools.product((-1, 0, 1), repeat=2)  # a centre of mass may round to the next pixel
        nearest = min(abs(before - np.roll(after, shift, axis=(0, 1))).sum() for shift in shifts)
        assert len(again) == 1 and nearest < 0.1 * before.sum()


def test_a_character_at_the_sheets_edge_is_cut_too():
    picture = np.full((200, 300), 220, np.uint8)
    picture[0:120, 60:68], picture[60:68, 30:100], picture[60:160, 200:212] = 40, 40, 40
    found = find_characters(strength(picture))
    assert len(found) == 2 and min(one.top for one in found) == 0
    for one in found:
        assert len(find_characters(strength(collect.cut(picture, found, one)))) == 1


def test_a_sheet_becomes_pictures_with_labels_and_a_writer(gather, tmp_path):
    found = gather("3141α/+2658", "Anna K")
    folders = [path.parent.relative_to(tmp_path / "home").as_posix() for path in found.new]
    assert folders == [*["digits"] * 4, "greek/alpha", "signs/+", *["digits"] * 4] and found.new == found.pictures
    digits = [path for path in found.pictures if path.parent.name == "digits"]
    assert [label_of(path, list("0123456789")) for path in digits] == list("31412658")
    named = [("3", found.pictures[0].stem), ("+", found.pictures[5].stem)]
    assert dataset.writers(named) == ["Anna K", "Anna K"]
    assert dataset.own(tmp_path / "home" / "signs", 0.2, 3)[0][0].letter == "+"


def test_without_a_writer_a_sheet_is_one_hand(gather):
    (hand,) = set(dataset.writers([("x", path.stem) for path in gather("x").pictures]))
    assert len(hand) == 8


def test_where_counts_differ_nothing_is_written_but_the_numbered_boxes(gather, tmp_path):
    with pytest.raises(UserError, match=r"sheet\.png: 5 found of 6 in line 1; .*boxes\.png"):
        gather("314156/92658")
    assert not (tmp_path / "home").exists() and Image.open(tmp_path / "boxes.png").mode == "RGB"


@pytest.fixture
def tight(tmp_path) -> tuple[Path, list[np.ndarray]]:
    """A sheet with 5306, whose 5 and 3 touch, and the ink of each."""
    inks = [DRAW["ink"](name, np.random.default_rng(seed))[::3, ::2] for seed, name in enumerate("5306")]
    inks = [ink[np.ix_((ink > 0.2).any(axis=1), (ink > 0.2).any(axis=0))] for ink in inks]
    grey, left = np.full((200, 500), 210.0), 40
    for ink in (touching(*inks[:2]), *inks[2:]):
        grey[50 : 50 + len(ink), left : left + ink.shape[1]] -= 150 * ink
        left += ink.shape[1] + 30
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "tight.png")
    return tmp_path / "tight.png", inks


def test_what_touches_is_cut_apart_where_a_line_has_too_few(tight, tmp_path):
    sheet, inks = tight
    found = collect.collect(sheet, "5306", "", tmp_path / "home", tmp_path / "boxes.png")
    assert found.cut == 2 and [path.name[0] for path in found.new] == list("5306")
    for path, ink in zip(found.new, inks, strict=True):
        assert shifted_difference(normalise(ink.astype(np.float32)), prepare(path)) < 0.4


def test_what_is_not_read_as_what_it_is_said_to_be_is_not_cut(tight, tmp_path):
    asked = []
    with pytest.raises(UserError, match=r"3 found of 4; nothing is written"):
        collect.collect(
            tight[0],
            "5306",
            "",
            tmp_path / "home",
            tmp_path / "boxes.png",
            lambda *given: asked.append(given) or [given[0]],
        )
    assert [names for _, names, _ in asked] == [["5", "3"]] and not (tmp_path / "home").exists()


def test_what_is_too_narrow_to_be_two_is_not_cut(tight, tmp_path):
    with pytest.raises(UserError, match=r"4 found of 5; nothing is written"):
        collect.collect(tight[0], "53067", "", tmp_path / "home", tmp_path / "boxes.png")
    assert not (tmp_path / "home").exists()


def test_what_was_found_as_what_is_drawn_each_time(gather, tmp_path):
    gather("31415/92658")
    one = (tmp_path / "boxes.png").read_bytes()
    gather("31415/92658")
    assert (tmp_path / "boxes.png").read_bytes() == one
    (tmp_path / "home" / "digits").rename(tmp_path / "away")
    gather("31415/92659")
    assert (tmp_path / "boxes.png").read_bytes() != one  # a label is drawn, too


def test_twice_the_same_sheet_is_said_and_nothing_is_overwritten(gather, tmp_path):
    first, before = gather("31415/92658"), there(tmp_path / "home")
    again = gather("31415/92658")
    assert again.pictures == first.pictures and not again.new and there(tmp_path / "home") == before
    for text, writer, more in (
        ("31415/92659", "", ""),
        ("31415/92658", "bob", " and 9 more"),
        ("x", "", " and 9 more"),
    ):
        with pytest.raises(UserError, match=rf"collected before as .*\.png{more}; remove them"):
            gather(text, writer)
    assert there(tmp_path / "home") == before


def test_interrupted_it_leaves_whole_pictures_and_the_same_call_adds_the_rest(gather, tmp_path, monkeypatch):
    written, whole = [], files.write_bytes

    def write(path: Path, content: bytes) -> None:
        if len(written) == 5:  # of which the first is that for looking
            raise KeyboardInterrupt
        written.append(path)
        whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", write)
        with pytest.raises(KeyboardInterrupt):
            gather("31415/92658")
    before = there(tmp_path / "home")
    assert len(before) == 4
    found = gather("31415/92658")
    after = there(tmp_path / "home")
    assert len(found.new) == 6 and len(after) == 10 and before.items() <= after.items()


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (0, "{sheet}: collected before: 5 in {home}/digits, 5 in {home}/signs/x\n"),
        (1, "1 picture: 1 in {home}/digits; 9 were there before\n"),
        (6, "6 pictures: 5 in {home}/digits, 1 in {home}/signs/x; 4 were there before\n"),
        (10, "10 pictures: 5 in {home}/digits, 5 in {home}/signs/x\n"),
    ],
)
def test_the_command_says_what_is_new_and_what_was_there(sheet, tmp_path, monkeypatch, capsys, lost, told):
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    monkeypatch.setattr(__main__, "HANDWRITING", tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    __main__.collect(sheet, "31415/x", "")
    for path in sorted((tmp_path / "home").rglob("*.png"))[:lost]:
        path.unlink()
    capsys.readouterr()
    assert __main__.collect(sheet, "31415/x", "") == 0
    shown = ".cache/collect/sheet.png shows which is which: look whether each is whole, upright and right\n"
    assert capsys.readouterr().out == told.format(sheet=sheet, home="home") + shown


def test_a_sheet_without_ink_is_one_line(tmp_path):
    Image.new("L", (300, 200), 220).save(tmp_path / "empty.png")
    with pytest.raises(UserError, match="no ink"):
        collect.collect(tmp_path / "empty.png", "7", "", tmp_path / "home", tmp_path / "boxes.png")


def test_what_is_no_file_is_no_sheet(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # who opens it waits for a writer
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UserError, match="not a file; name one picture"):
            collect.collect(path, "7", "", tmp_path / "home", tmp_path / "boxes.png")


def test_a_folder_of_signs_whose_name_is_too_long_for_a_class_is_told_before_training(tmp_path):
    path = tmp_path / ("x" * (dataset.LONGEST + 1)) / "1.png"
    bar = np.full((20, 20), 255, np.uint8)
    bar[5:15, 8:11] = 0
    files.write_png(path, Image.fromarray(bar))
    with pytest.raises(UserError, match=f"more than {dataset.LONGEST} bytes; give the folder a shorter one"):
        dataset.own(tmp_path, 0.2, 3)
