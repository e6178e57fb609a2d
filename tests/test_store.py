"""The names of results, and the store's size."""

import os

import pytest

from recognition import store


def test_a_fingerprint_changes_with_each_part_and_with_nothing_else():
    program = store.__file__
    assert store.fingerprint(program, 3, "a") == store.fingerprint(program, 3, "a")
    parts = [(3, "a"), (3, "b"), (3,), ("3", "a"), ("a", 3)]
    assert len({store.fingerprint(program, *own) for own in parts}) == 5
    assert store.fingerprint(program, 3) != store.fingerprint(store.ROOT / "recognition/cells.py", 3)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROOT", tmp_path)
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
    found = [name for name, _ in store.code(project / "program.py")]
    assert found == ["house/__init__.py", "house/door.py", "house/room.py", "program.py"]


@pytest.mark.parametrize(("changed", "matters"), [("house/door.py", True), ("house/garden.py", False)])
def test_a_fingerprint_changes_with_the_code_that_is_imported(project, changed, matters):
    before = store.fingerprint(project / "program.py")
    (project / changed).write_text("HANDLE = TREE = 2\n")
    assert (store.fingerprint(project / "program.py") != before) == matters


@pytest.mark.parametrize("library", store.LIBRARIES)
def test_a_fingerprint_changes_with_the_libraries(project, monkeypatch, library):
    before = store.fingerprint(project / "program.py")
    original = store.version
    monkeypatch.setattr(store, "version", lambda name: "0.1" if name == library else original(name))
    assert store.fingerprint(project / "program.py") != before


def test_pruning_keeps_the_newest_files(tmp_path):
    for age, name in enumerate("dacbe"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(0, 10**18 - age))
    store.prune(tmp_path, newest=5)
    assert {path.name for path in tmp_path.iterdir()} == set("abcde")
    store.prune(tmp_path, newest=2)
    assert {path.name for path in tmp_path.iterdir()} == set("da")


def test_two_may_prune_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("removed meanwhile")  # listed, but not there when it is looked at
    store.prune(tmp_path, newest=0)
    assert not (tmp_path / "a").exists()
