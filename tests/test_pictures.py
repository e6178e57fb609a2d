"""Which pictures there are in files and folders, and whose class each is."""

import os
from collections import Counter
from pathlib import Path

import pytest

from recognition.base.errors import UserError
from recognition.ink import pictures
from recognition.ink.decode import HEIF_ENDS
from recognition.ink.pictures import find_pictures, label_of

DIGITS = [str(digit) for digit in range(10)]


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(root: Path, found: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_find_pictures(tmp_path):
    put(tmp_path, "b/2.JPG", "b/1.png", "a.webp", ".hidden.png", ".git/x.png", "b/.DS_Store")
    put(tmp_path, "z.avif", "y.jp2", "x.ppm", "w.ico", "v.tga")
    found = find_pictures([tmp_path])
    assert names(tmp_path, found.pictures) == [
        *("a.webp", "b/1.png", "b/2.JPG", "v.tga", "w.ico", "x.ppm", "y.jp2", "z.avif")
    ]
    assert found.complaints() == found.notes() == []
    put(tmp_path, "notes.txt")
    given = [tmp_path / "notes.txt", tmp_path / "a.webp"]
    assert find_pictures(given) == (given, [], Counter(), [])
    with pytest.raises(UserError, match="nowhere"):
        find_pictures([tmp_path / "nowhere"])


def test_what_is_passed_over_is_counted_by_its_suffix(tmp_path):
    put(tmp_path, "a.txt", "b/a.TXT", "b/c.txt", "d.svg", "drawing.pdf", "read.eps", "README", ".hidden.txt", "1.png")
    found = find_pictures([tmp_path])
    assert found.complaints() == []
    [line] = found.notes()
    assert line.startswith("passed over, no pictures by their names: 3 .txt, ")
    assert sorted(line.partition(": ")[2].split(", ")) == [
        *("1 .eps", "1 .pdf", "1 .svg", "1 without a suffix", "3 .txt")
    ]


@pytest.mark.parametrize("suffix", ["heic", "HEIF"])
def test_where_heic_is_passed_over_what_to_do_is_said(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(pictures, "SUFFIXES", pictures.SUFFIXES - set(HEIF_ENDS.split()))
    put(tmp_path, f"1.{suffix}", "2.txt", "3.txt")
    assert find_pictures([tmp_path]).notes() == [
        f"passed over, no pictures by their names: 2 .txt, 1 .{suffix.lower()}; `pip install pillow-heif` to have HEIC "
        "pictures read, or save them as JPEG"
    ]


def test_linked_folders_are_entered_once(tmp_path):
    put(tmp_path, "else/7.png", "else/deep/8.png", "pics/1.png", "pics/b/2.png")
    (tmp_path / "pics" / "linked").symlink_to(tmp_path / "else")
    (tmp_path / "pics" / "again").symlink_to("linked")
    (tmp_path / "pics" / "a_loop").symlink_to(".")
    (tmp_path / "pics" / "b" / "a_loop").symlink_to(tmp_path)
    (tmp_path / "pics" / "a").symlink_to("b")  # which is there itself, and goes by its own name
    found = find_pictures([tmp_path / "pics"])
    assert names(tmp_path / "pics", found.pictures) == ["1.png", "again/7.png", "again/deep/8.png", "b/2.png"]
    assert found.complaints() == found.notes() == []


def test_what_looks_like_a_picture_and_is_none_is_told(tmp_path, monkeypatch):
    put(tmp_path, "1.png", "shut/2.png", "listed/3.png", "listed/4.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    for number in range(2000):
        (tmp_path / f"dangling_{number:04}.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    scandir, stat = os.scandir, Path.stat

    def refused(path):
        if str(path).endswith("shut"):  # root may enter every folder
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    def unseen(path, **options):
        if path.parent.name == "listed":  # may be listed, but not entered
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "scandir", refused)
    monkeypatch.setattr(Path, "stat", unseen)
    found = find_pictures([tmp_path])
    assert found.pictures == [tmp_path / "1.png"] and len(found.unread) == 2001 + 1 + 1 + 2
    assert sorted(found.complaints()) == [
        f"{tmp_path}/dangling_0000.png and 2000 more: a link that leads nowhere; put the picture itself there",
        f"{tmp_path}/listed/3.png and 2 more: Permission denied; give yourself the right to it",
        f"{tmp_path}/pipe.png: neither a file nor a folder; put the picture itself there",
    ]
    with pytest.raises(UserError, match="neither a file nor a folder"):
        find_pictures([tmp_path / "pipe.png"])


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("digits/7/photo.jpg", "7"),
        ("digits/7/3.jpg", "7"),
        ("digits/3_left_hand.png", "3"),
        ("digits/IMG_1234.jpg", None),
        ("10/5.png", "5"),
        ("digits/7.jpg", "7"),
        ("digits/7-2.png", "7"),
        ("digits/7 (1).jpg", "7"),
        ("digits/10.png", None),
        ("digits/20251125_031200.jpg", None),
        ("digits/3rd.png", None),
        ("digits/7é.png", None),
        ("7/other/photo.png", None),
    ],
)
def test_label_of(path, label):
    assert label_of(Path(path), DIGITS) == label


def test_label_of_words():
    names = ["eta", "alpha", "beta"]
    assert label_of(Path("greek/alpha/1.png"), names) == "alpha"
    assert label_of(Path("greek/beta_1.png"), names) == "beta"
    assert label_of(Path("greek/alphabet.png"), names) is None
    assert label_of(Path("10.png"), ["1", "10"]) == "10"


def test_a_folders_own_readme_is_not_counted(tmp_path):
    (tmp_path / "README.md").write_text("what belongs here")
    assert find_pictures([tmp_path]).notes() == []
