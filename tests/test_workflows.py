"""The weekly workflows fail where what they make is not what is committed."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BARE = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def compares(workflow: str) -> list[str]:
    """The commands of a workflow that look for differences."""
    jobs = yaml.safe_load((ROOT / ".github/workflows" / f"{workflow}.yml").read_text())["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    return [step for step in steps if "git diff" in step]


@pytest.mark.parametrize(
    ("workflow", "made"), [("proof", "reports/proof.md"), ("bytes", "reports/evaluate/metrics.json")]
)
def test_what_is_made_has_to_be_what_is_committed(tmp_path, workflow, made):
    [command] = compares(workflow)

    def run(*words: str) -> int:
        return subprocess.run(words, cwd=tmp_path, env=BARE, capture_output=True).returncode

    def differs() -> bool:
        return run("bash", "-e", "-c", command) != 0

    run("git", "init", "-q")
    (tmp_path / made).parent.mkdir(parents=True)
    (tmp_path / "reports/report.md").write_text("committed")
    (tmp_path / "dvc.lock").write_text("committed")
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "made"]
    assert run("git", "add", ".") == run(*commit) == 0
    (tmp_path / made).write_text("new")
    assert differs()
    assert run("git", "add", ".") == run(*commit) == 0
    assert not differs()
    (tmp_path / made).write_text("changed")
    assert differs()
