"""The original's whole budget: what is asked for, how long it takes, and what is published of it."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks import full
from recognition.base import params
from recognition.base.errors import UserError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A git clone with a commit of what stages write."""
    files = ["params.yaml", *(f"reports/{stage}/metrics.json" for stage in full.STAGES)]
    files += [f"reports/figures/{name}.png" for name in [*full.FIGURES, "another"]]
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_settings_are_the_originals_budget_and_fit_the_params(tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for setting in full.SETTINGS:
        name, value = setting.split("=", 1)
        *sections, key = name.split(".")
        inner = values
        for section in sections:
            inner = inner[section]
        assert key in inner
        inner[key] = yaml.safe_load(value)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    found = params.load(tmp_path / "params.yaml")
    published = params.load(ROOT / full.PUBLISHED / "params.yaml")
    assert all(getattr(found, stage) == getattr(published, stage) for stage in full.STAGES)
    assert (found.sweep.epochs, found.epochs.budgets, found.mobilenet.epochs) == (10, [5, 20, 40, 50], 20)
    assert len(found.epochs.seeds) >= 3


def test_of_a_shallow_clone_no_experiment_is_begun(clone, monkeypatch):
    (clone / ".git/shallow").write_text(f"{'1' * 40}\n")
    monkeypatch.setattr(full, "counted", None)
    with pytest.raises(UserError, match=r"this clone is shallow.*git fetch --unshallow"):
        full.main()


def test_all_sittings_count(tmp_path, monkeypatch):
    counter, clock = tmp_path / "counter", iter([100.0, 130.0, 500.0, 512.0, 7.0, 8.0])
    monkeypatch.setattr(full.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(full, "processor", lambda: "A")
    monkeypatch.setattr(full.machine, "cores", lambda: 2)

    def machines() -> list[dict]:
        return json.loads(counter.read_text())

    with full.counted(counter):
        pass
    assert machines() == [{"processor": "A", "cores": 2, "seconds": 30}]
    with pytest.raises(ZeroDivisionError), full.counted(counter):
        1 / 0  # noqa: B018
    assert machines() == [{"processor": "A", "cores": 2, "seconds": 42}]
    monkeypatch.setattr(full, "processor", lambda: "B")
    with full.counted(counter):
        pass
    assert [(one["processor"], one["seconds"]) for one in machines()] == [("A", 42), ("B", 1)]


def test_what_is_published_is_the_experiments_alone(clone, monkeypatch):
    head = full.git("rev-parse", "HEAD").decode().strip()
    (clone / "params.yaml").write_text("of the default run")
    stale = full.PUBLISHED / "sweep" / "stale.csv"
    stale.parent.mkdir(parents=True)
    stale.touch()
    counter = clone.parent / "counter"
    with full.counted(counter):
        pass
    full.publish(head, counter)
    found = {str(path.relative_to(full.PUBLISHED)) for path in full.PUBLISHED.rglob("*") if path.is_file()}
    expected = {f"{stage}/metrics.json" for stage in full.STAGES} | {f"figures/{name}.png" for name in full.FIGURES}
    assert found == expected | {"params.yaml", "machines.json"}
    assert (full.PUBLISHED / "params.yaml").read_text() == "params.yaml"
    [machine] = json.loads((full.PUBLISHED / "machines.json").read_text())
    assert machine["seconds"] >= 0 and machine["cores"] >= 1 and machine["processor"]
    assert {path.name for path in clone.iterdir()} == {".git", "params.yaml", "reports"}
    assert {path.name for path in (clone / "reports").iterdir()} == {*full.STAGES, "figures", "full"}
