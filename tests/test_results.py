"""What `make repro` ends with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recognition.base.params import load
from recognition.telling import original
from recognition.telling.results import results
from recognition.telling.study import Study

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
STAGES = ["evaluate", "recognise", "sweep", "epochs", "mobilenet"]


@pytest.fixture
def params():
    return load(ROOT / "params.yaml")


def test_a_dozen_lines_with_the_originals_numbers_beside_ours(params, monkeypatch):
    monkeypatch.chdir(ROOT)
    lines = results(Study(Path("reports"), params)).splitlines()
    assert 10 <= len(lines) <= 14 and max(map(len, lines)) <= 100
    rows = lines[1 : lines.index("")]
    assert len(rows) == 6 + len(original.LETTERS) - 1 and not any("not there" in row for row in rows)
    assert rows[0].startswith("digits, MNIST") and rows[0].endswith("98\N{NO-BREAK SPACE}%")


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_has_not_written_is_one_line_with_its_command(params, tmp_path, stage):
    shutil.copytree(REPORTS, tmp_path / "reports")
    shutil.rmtree(tmp_path / "reports" / stage)
    whole = results(Study(REPORTS, params)).splitlines()
    lines = results(Study(tmp_path / "reports", params)).splitlines()
    assert [f"not there: dvc repro {stage}" in line for line in lines].count(True) == 1
    assert len(lines) == len(whole)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_terminal_of_few_signs_is_shown_them_all_the_same(encoding):
    command = [sys.executable, "-m", "recognition", "results"]
    settings = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding).splitlines()[-1].endswith("predict photo.jpg")
