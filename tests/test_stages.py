"""What every stage begins with, and how it fails."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PROGRAM = """
import sys
import stages
from pathlib import Path
stages.PINS = Path(sys.argv[1])
{}
stages.run(stage)
"""


def ended(folder: Path, stage: str, pins: str | None = "") -> tuple[int, str]:
    """Exit code and stderr of a program with this stage and these pins."""
    if pins is not None:
        (folder / "pins.txt").write_text(pins)
    program = [sys.executable, "-c", PROGRAM.format(stage), folder / "pins.txt"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("pins", "said"),
    [
        (f"# numbers\n\ntorch=={version('torch').partition('+')[0]}  # a build's own +cpu is no difference\n", None),
        ("numpy==1.0\n", f"numpy {version('numpy')} is installed, "),
        ("no-such-package==1.0\n", "no no-such-package is installed, "),
        ("numpy>=2\n", "numpy>=2 is not NAME==VERSION"),
        (None, "no such file here; run stages in the project's own folder"),
    ],
)
def test_a_stage_runs_with_the_pinned_packages_alone(tmp_path, pins, said):
    code, stderr = ended(tmp_path, "def stage():\n    print('computed', file=sys.stderr)", pins)
    if said is None:
        assert (code, stderr) == (0, "computed\n")
    else:
        assert code == 1 and stderr.startswith("error: ") and said in stderr and stderr.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_torchs_own_words_where_there_is_no_gpu_are_one_line(tmp_path):
    code, stderr = ended(tmp_path, "import torch\ndef stage():\n    torch.zeros(1, device='cuda')")
    assert code == 1 and stderr.startswith("error: ") and stderr.count("\n") == 1


def test_a_fault_of_our_own_keeps_its_traceback(tmp_path):
    code, stderr = ended(tmp_path, "def stage():\n    raise RuntimeError('shapes differ')")
    assert code == 1 and "Traceback" in stderr and "shapes differ" in stderr


def test_what_a_user_can_mend_is_one_line_whatever_names_are_in_it(tmp_path):
    stage = (
        "from recognition.base.errors import UserError\ndef stage():\n    raise UserError('a\\nb\\x1b[2J: no picture')"
    )
    assert ended(tmp_path, stage) == (1, "error: a b\\x1b[2J: no picture\n")


# ---- the interpreter, in a project of one stage


STAGE = 'stages: {told: {cmd: stages/python -c "import sys; print(sys.executable)"}}'


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages/python", tmp_path / "stages/python")
    (tmp_path / "dvc.yaml").write_text(STAGE)
    subprocess.run([BIN / "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "tr", "sed"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


@pytest.fixture
def active(project) -> dict[str, str]:
    """An environment that is active, as conda's base is in every shell: its python only says that it was called."""
    (project / "bin/python").write_text("#!/bin/sh\necho the active one\n")
    (project / "bin/python").chmod(0o755)
    return {"PATH": str(project / "bin"), "SHELL": "/bin/sh", "HOME": str(project)}


DVC = pytest.mark.parametrize("command", [[BIN / "dvc"], [sys.executable, "-m", "dvc"]], ids=["dvc", "python -m dvc"])


@DVC
def test_a_stage_runs_with_dvcs_own_python_though_its_environment_is_not_active(project, command):
    environment = {"PATH": str(project / "bin"), "SHELL": "/bin/sh", "HOME": str(project)}
    done = subprocess.run([*command, "repro"], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(BIN / "python") in done.stdout.splitlines()


@DVC
def test_a_stage_runs_with_dvcs_own_python_though_another_environment_is_active(project, command, active):
    environment = active | {"CONDA_PREFIX": str(project), "VIRTUAL_ENV": str(project)}
    done = subprocess.run([*command, "repro"], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(BIN / "python") in done.stdout.splitlines() and "the active one" not in done.stdout


PARENT = "import subprocess; subprocess.run(['stages/python', '-c', ''], check=True)"


@pytest.mark.parametrize(
    "command",
    [["bin/dvc", "repro"], [sys.executable, "-c", PARENT, "/opt/dvc"]],
    ids=["a program of its own", "python with such a word"],
)
def test_a_dvc_without_a_python_of_its_own_leaves_it_to_the_active_one(project, command, active):
    (project / "bin/dvc").write_text("#!/bin/sh\nstages/python -c ''\nexit $?\n")
    (project / "bin/dvc").chmod(0o755)
    done = subprocess.run(command, cwd=project, env=active, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the active one\n"), done.stderr


def test_without_any_python_it_says_what_to_do(project):
    done = subprocess.run(
        ["stages/python", "-c", ""], cwd=project, env={"PATH": str(project / "bin")}, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("error: there is no python here; `make repro`")
    assert done.stderr.count("\n") == 1
