"""The names of results: whatever changes a result changes its name, and nothing else does."""

import os
import platform
import subprocess

import pytest
import torch

from recognition.base import files, fingerprints

PROGRAM = fingerprints.__file__


def test_a_fingerprint_changes_with_each_part_and_with_nothing_else():
    assert fingerprints.of(PROGRAM, "cpu", 3, "a") == fingerprints.of(PROGRAM, "cpu", 3, "a")
    parts = [(3, "a"), (3, "b"), (3,), ("3", "a"), ("a", 3)]
    assert len({fingerprints.of(PROGRAM, "cpu", *own) for own in parts}) == 5
    other = fingerprints.ROOT / "recognition/sweep/task.py"
    assert fingerprints.of(PROGRAM, "cpu", 3) != fingerprints.of(other, "cpu", 3)


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


def name(project) -> str:
    return fingerprints.of(project / "program.py", "cpu")


def test_a_programs_code_is_all_that_it_imports(project):
    found = [path for path, _ in fingerprints.code(project / "program.py")]
    assert found == ["house/__init__.py", "house/door.py", "house/room.py", "program.py"]


@pytest.mark.parametrize(("changed", "matters"), [("house/door.py", True), ("house/garden.py", False)])
def test_a_fingerprint_changes_with_the_code_that_is_imported(project, changed, matters):
    before = name(project)
    (project / changed).write_text("HANDLE = TREE = 2\n")
    assert (name(project) != before) == matters


@pytest.mark.parametrize(
    ("text", "matters"),
    [
        ('"""A door."""\n\nHANDLE = 1  # of brass\n', False),
        ("HANDLE = (\n    1\n)\n", False),
        ("HANDLE = 2\n", True),
        ('HANDLE = 1\n\n\ndef knock():\n    """Loudly."""\n    return 1\n', True),
        ("HANDLE = '1'\n", True),
    ],
)
def test_code_is_named_by_what_it_does(project, text, matters):
    before = name(project)
    (project / "house/door.py").write_text(text)
    assert (name(project) != before) == matters


def test_a_docstring_anywhere_is_no_code(project):
    door = project / "house/door.py"
    door.write_text("HANDLE = 1\nclass A:\n    x = 1\n    def f(self):\n        return 'text'\n")
    before = name(project)
    door.write_text(
        'HANDLE = 1\nclass A:\n    """B."""\n    x = 1\n    def f(self):\n        """C."""\n        return "text"\n'
    )
    assert name(project) == before


@pytest.mark.parametrize("library", fingerprints.LIBRARIES)
def test_a_fingerprint_changes_with_the_libraries(project, monkeypatch, library):
    before, original = name(project), fingerprints.version
    monkeypatch.setattr(fingerprints, "version", lambda asked: "0.1" if asked == library else original(asked))
    assert name(project) != before


def test_a_fingerprint_changes_with_the_machine_but_not_with_a_build_of_python(project, monkeypatch):
    before = name(project)
    with monkeypatch.context() as patch:
        patch.setattr("sys.version", "3.11 (another day)")
        assert name(project) == before
    for target, attribute, value in (
        (platform, "machine", lambda: "aarch64"),
        (torch.backends.cpu, "get_cpu_capability", lambda: "NEON"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, attribute, value)
            assert name(project) != before
    names = set()
    for gpu in "NVIDIA A", "NVIDIA B":
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu=gpu: gpu)
        names.add(fingerprints.of(project / "program.py", "cuda"))
    assert len(names | {before}) == 3


def test_pruning_keeps_the_newest_files(tmp_path):
    for age, own in enumerate("dacbe"):
        (tmp_path / own).write_text(own)
        os.utime(tmp_path / own, ns=(0, 10**18 - age))
    files.prune(tmp_path, newest=5)
    assert {path.name for path in tmp_path.iterdir()} == set("abcde")
    files.prune(tmp_path, newest=2)
    assert {path.name for path in tmp_path.iterdir()} == set("da")


def test_pruning_removes_what_killed_writers_have_left(tmp_path):
    with subprocess.Popen(["true"]) as dead:
        pass
    living = tmp_path / f".a.{os.getppid()}.part"
    for path in living, tmp_path / f".a.b.{dead.pid}.part", tmp_path / "a":
        path.write_text("a")
    files.prune(tmp_path, newest=1)
    assert set(tmp_path.iterdir()) == {living, tmp_path / "a"}


def test_two_may_prune_at_the_same_time(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("removed meanwhile")  # listed, but not there when it is looked at
    files.prune(tmp_path, newest=0)
    assert not (tmp_path / "a").exists()
