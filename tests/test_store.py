"""The names of results, and the store's size."""

import os

import pytest

from recognition.base import fingerprints


def test_a_fingerprint_changes_with_each_part_and_with_nothing_else():
    program = fingerprints.__file__
    assert fingerprints.of(program, 3, "a") == fingerprints.of(program, 3, "a")
    parts = [(3, "a"), (3, "b"), (3,), ("3", "a"), ("a", 3)]
    assert len({fingerprints.of(program, *own) for own in parts}) == 5
    assert fingerprints.of(program, 3) != fingerprints.of(
        fingerprints.ROOT / "recognition/cells.py", 3
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    for name, text in {
        "program.py": "from house import room\n",
        "house/__init__.py": "",
        "house/room.py": "import torch\nfrom house.door import HANDLE\n",
        "house/door.py": "HANDLE = 1\n",
        "house/garden.py": "TREE = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_programs_code_is_all_that_it_imports(project):
    found = [name for name, _ in fingerprints.code(project / "program.py")]
    assert found == ["house/__init__.py", "house/door.py", "house/room.py", "program.py"]


@pytest.mark.parametrize(("changed", "matters"), [("house/door.py", True), ("house/garden.py", False)])
def test_a_fingerprint_changes_with_the_code_that_is_imported(project, changed, matters):
    before = fingerprints.of(project / "program.py")
    (project / changed).write_text("HANDLE = TREE = 2\n")
    assert (fingerprints.of(project / "program.py") != before) == matters


@pytest.mark.parametrize("library", fingerprints.LIBRARIES)
def test_a_fingerprint_changes_with_the_libraries(project, monkeypatch, library):
    before = fingerprints.of(project / "program.py")
    original = fingerprints.version
    monkeypatch.setattr(fingerprints, "version", lambda name: "0.1" if name == library else original(name))
    assert fingerprints.of(project / "program.py") != before


def test_pruning_keeps_the_newest_files(tmp_path):
    for age, name in enumerate("dacbe"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(0, 10**18 - age))
    fingerprints.prune(tmp_path, newest=5)
    assert {path.name for path in tmp_path.iterdir()} == set("abcde")
    fingerprints.prune(tmp_path, newest=2)
    assert {path.name for path in tmp_path.iterdir()} == set("da")


def test_two_may_prune_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("removed meanwhile")  # listed, but not there when it is looked at
    fingerprints.prune(tmp_path, newest=0)
    assert not (tmp_path / "a").exists()
