"""The Greek letters' data set: names, writers, the split, the table."""

import unicodedata
from collections import Counter
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from recognition.base import alphabet
from recognition.base.errors import UserError
from recognition.ink import dataset
from recognition.ink.dataset import Letter


def test_the_alphabet_is_the_greek_one():
    assert len(alphabet.NAMES) == 24
    for name, symbol in alphabet.SYMBOLS.items():
        assert unicodedata.name(symbol) == f"GREEK SMALL LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"


@pytest.mark.parametrize(
    ("path", "letter"),
    [
        ("alpha/IMG_1.jpg", "alpha"),
        ("Greek/Beta/1.png", "beta"),
        ("greek_train/alpha/beta_like.png", "alpha"),
        ("beta/anna/1.png", "beta"),
        ("alpha_001.png", "alpha"),
        ("zeta/eta.png", "zeta"),
        ("theta.png", "theta"),
        ("greek/α.png", "alpha"),
        ("Ω.png", "omega"),
        ("pictures/epsilon-2.png", "epsilon"),
        ("alpha001.png", None),
        ("nu20251125.png", None),
        ("3pi.png", None),
        ("alpha1/1.png", "alpha"),
        ("µ_2.png", "mu"),  # the micro sign
        ("pièces/1.png", None),
        (unicodedata.normalize("NFD", "ménu/1.png"), None),
        ("μm/1.png", None),
        ("alphabet/1.png", None),
        ("alpha_beta.png", None),
        ("psi or phi/omega.png", None),
        ("1.png", None),
    ],
)
def test_the_letter_that_a_path_names(path, letter):
    assert alphabet.named_in(PurePath(path)) == letter


def test_a_hand_is_what_two_letters_names_share():
    names = [("alpha", "alpha_001"), ("beta", "beta_001"), ("alpha", "IMG_20"), ("beta", "anna"), ("alpha", "Anna")]
    assert dataset.writers(names) == ["001", "001", "", "anna", "anna"]
    assert dataset.writers([("alpha", "1"), ("alpha", "1")]) == ["", ""]  # one letter alone tells nothing
    assert dataset.writers([("eta", "beta_eta"), ("zeta", "beta_zeta")]) == ["beta", "beta"]


def test_who_wrote_a_sheet_is_told_in_the_names_of_what_was_cut_from_it():
    names = [
        ("+", "+_Anna.0a1b2c3d-01"),
        ("+", "+_Anna.99999999-12"),
        ("7", "7.0a1b2c3d-02"),
        ("a b", "a b_c_d.0a1b2c3d-3"),
    ]
    assert dataset.writers(names) == ["Anna", "Anna", "0a1b2c3d", "c_d"]


def drawn(writers: int, names=("alpha", "beta", "gamma")) -> list[tuple[str, str, str]]:
    return [(f"{name}/{w}.png", name, f"w{w}") for name in names for w in range(writers)]


@pytest.mark.parametrize("seed", range(5))
def test_no_writer_is_on_both_sides_and_the_share_is_held_out(seed):
    found = dataset.split(drawn(20), 0.2, seed)
    sides = {}
    for (_, _, writer), side in zip(drawn(20), found, strict=True):
        sides.setdefault(writer, set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert Counter(found) == {"train": 48, "held_out": 12}


def test_which_writers_depends_on_the_seed_alone():
    pictures = drawn(20)
    assert dataset.split(pictures, 0.2, 1) == dataset.split(pictures, 0.2, 1) != dataset.split(pictures, 0.2, 2)
    backwards = dataset.split(pictures[::-1], 0.2, 1)
    assert backwards[::-1] == dataset.split(pictures, 0.2, 1)


def test_an_unknown_hand_is_split_by_picture():
    pictures = [(f"alpha/{i}.png", "alpha", "") for i in range(10)]
    assert Counter(dataset.split(pictures, 0.3, 3)) == {"held_out": 3, "train": 7}


@pytest.mark.parametrize("writer", ["", "anna"])
def test_a_letter_with_one_picture_is_learned_from(writer):
    assert dataset.split([("alpha/1.png", "alpha", writer)], 0.5, 3) == ["train"]


def test_where_no_writer_can_be_spared_pictures_are_held_out():
    pictures = [(f"{name}/{k}.png", name, "anna") for name in ("alpha", "beta") for k in range(10)]
    found = dataset.split(pictures, 0.2, 3)
    held_out = Counter(name for (_, name, _), side in zip(pictures, found, strict=True) if side == "held_out")
    assert held_out == {"alpha": 2, "beta": 2}

    others = [(f"beta/bob{k}.png", "beta", "bob") for k in range(2)]  # who can be spared, of beta
    found = dict(zip([path for path, *_ in pictures + others], dataset.split(pictures + others, 0.2, 3), strict=True))
    assert {path for path, side in found.items() if side == "held_out" and "beta" in path} == {
        "beta/bob0.png",
        "beta/bob1.png",
    }


def test_two_pictures_are_one_on_each_side():
    assert sorted(dataset.split([("a/1.png", "alpha", ""), ("a/2.png", "alpha", "")], 0.2, 3)) == ["held_out", "train"]


def test_share_zero_holds_nothing_out():
    assert set(dataset.split(drawn(5), 0.0, 3)) == {"train"}


def put(folder: Path, names: list[str]) -> list[Letter]:
    """A data set of two pictures a letter: a bar, whose place tells the letter."""
    rows = []
    for name in names:
        for k in (1, 2):
            page = np.full((80, 80), 230, np.uint8)
            page[15:65, 20 + 2 * names.index(name) + 20 * k - 20 :][:, :8] = 30
            path = folder / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(page).save(path)
            rows.append(Letter(f"{name}/{k}.png", name, "", "train" if k == 1 else "held_out", "folder", ""))
    dataset.write_table(folder, rows)
    return rows


def test_what_is_written_is_loaded_one_of_each_letter_first(tmp_path):
    rows = put(tmp_path, ["beta", "alpha", "gamma"])
    assert dataset.read_table(tmp_path) == rows
    found, pictures = dataset.load(tmp_path, ["gamma", "beta"])
    assert [row.path for row in found] == ["beta/1.png", "gamma/1.png", "beta/2.png", "gamma/2.png"]
    assert pictures.shape == (4, 28, 28) and pictures.dtype == np.uint8 and all(p.max() > 200 for p in pictures)


def test_a_letter_without_a_picture_is_one_line(tmp_path):
    put(tmp_path, ["alpha"])
    with pytest.raises(UserError, match=r"no picture of omega, beta; .*greek\.source"):
        dataset.load(tmp_path, ["omega", "alpha", "beta"])
    with pytest.raises(UserError, match="dvc repro greek"):
        dataset.load(tmp_path / "nowhere", ["alpha"])


def test_a_damaged_picture_is_one_line(tmp_path):
    put(tmp_path, ["alpha", "beta"])
    (tmp_path / "beta" / "2.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"beta/2\.png"):
        dataset.load(tmp_path, ["alpha", "beta"])


def test_own_signs_are_read_from_their_folders_and_what_cannot_be_is_told(tmp_path):
    assert [len(found) for found in dataset.own(tmp_path / "nowhere", 0.2, 3)] == [0, 0, 0]
    put(tmp_path, ["+", unicodedata.normalize("NFD", "\u0439"), "treble clef"])  # as a Mac writes a folder's name
    (tmp_path / "letters.csv").unlink()
    (tmp_path / "+" / "damaged.png").write_bytes(b"no picture")
    (tmp_path / "README.md").write_text("of this folder")
    rows, pictures, failures = dataset.own(tmp_path, 0.5, 3)
    assert [row.letter for row in rows] == ["+", "+", "treble clef", "treble clef", "\u0439", "\u0439"]
    assert len({(row.letter, row.split) for row in rows}) == 6  # one of each is held out
    assert pictures.shape == (6, 28, 28) and pictures.dtype == np.uint8
    assert len(failures) == 1 and "damaged.png" in failures[0]

    (tmp_path / "plus.png").write_bytes((tmp_path / "+" / "1.png").read_bytes())
    with pytest.raises(UserError, match=r"plus\.png: no folder names its sign; move it into one"):
        dataset.own(tmp_path, 0.5, 3)
