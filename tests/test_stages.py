"""What every stage begins with, and how it fails."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import stages

ROOT = Path(__file__).parent.parent
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


FAILURES = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried 1 GiB.\nMore."), "the GPU's memory is full"),
    (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later."), "memory is full"),
    (torch.AcceleratorError("CUDA error: device-side assert\nMore."), "the GPU failed: CUDA error: device-side"),
    (torch.cuda.DeferredCudaCallError("initialization failed\nMore."), "the GPU failed: initialization failed"),
    (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "the GPU failed: cuDNN error"),
    (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"), "the GPU failed: CUBLAS"),
    (RuntimeError("Found no NVIDIA driver on your system."), "the GPU failed: Found no NVIDIA driver"),
    (RuntimeError("shapes differ"), None),
]


@pytest.mark.parametrize(("error", "said"), FAILURES, ids=str)
def test_a_gpus_failure_is_one_line_and_any_other_is_not_taken_for_one(error, said):
    found = stages.gpu_failure(error)
    assert found is None if said is None else said in found and "\n" not in found


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
    assert ended(tmp_path, stage) == (1, "error: a b[2J: no picture\n")
