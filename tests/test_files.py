import errno
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recognition.base import files
from recognition.base.errors import UserError

ROOT = Path(__file__).parent.parent


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "file"
    files.write_bytes(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space") as caught:
        files.write_bytes(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_read_only_place_is_told_under_the_files_own_name(tmp_path, monkeypatch):
    """Such a file system refuses to remove even what is not there."""

    def refused(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OSError, match="Read-only") as caught:
        files.write_bytes(tmp_path / "file", b"new")
    assert caught.value.filename == str(tmp_path / "file")


def test_a_reader_never_sees_half_a_file_whenever_the_writer_dies(tmp_path):
    program = """
import sys; from pathlib import Path; from recognition.base import files
while True:
    for letter in b"ab": files.write_bytes(Path(sys.argv[1]), bytes([letter]) * 3_000_000)
"""
    path = tmp_path / "file"
    for delay in (0.0, 0.013, 0.029):
        writer = subprocess.Popen([sys.executable, "-c", program, path], cwd=ROOT)
        while not path.exists():
            assert writer.poll() is None
            time.sleep(0.001)
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = path.read_bytes()
        assert content in (b"a" * 3_000_000, b"b" * 3_000_000)
        path.unlink()


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = [["a,b", 'say "x"', 1, 0.1234567], ["", "α\n", -2, 1e-9]]
    files.write_csv(tmp_path / "t.csv", ["one", "two", "three", "four"], rows)
    files.write_csv(tmp_path / "zero.csv", ["x"], [[-1e-9]])
    assert files.read_csv(tmp_path / "zero.csv") == [{"x": "0.000000"}]
    assert files.read_csv(tmp_path / "t.csv") == [
        {"one": "a,b", "two": 'say "x"', "three": "1", "four": "0.123457"},
        {"one": "", "two": "α\n", "three": "-2", "four": "0.000000"},
    ]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_a_name_cannot_split_a_row_or_become_a_formula(tmp_path):
    names = ["a\rb", "c\r\nd", "=1+1", "+x", "-x", "@x", "\tx"]
    files.write_csv(tmp_path / "t.csv", ["name", "n"], [[name, -1] for name in names])
    read = files.read_csv(tmp_path / "t.csv")
    assert [row["name"] for row in read] == ["a\rb", "c\r\nd", "'=1+1", "'+x", "'-x", "'@x", "'\tx"]
    assert {row["n"] for row in read} == {"-1"}


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_no_json_is_written_with_what_is_no_number(tmp_path, number):
    with pytest.raises(UserError, match="not finite; lower the learning_rate"):
        files.write_json(tmp_path / "m.json", {"a": [0.5, {"b": number}]})
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_is_swept_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".file.{dead.pid}.part"
    living = tmp_path / f".file.{os.getppid()}.part"
    other = tmp_path / f".other.{dead.pid}.part"
    for path in (left, living, other):
        path.write_bytes(b"half")
    files.write_bytes(tmp_path / "file", b"new")
    assert sorted(tmp_path.iterdir()) == sorted([living, other, tmp_path / "file"])
