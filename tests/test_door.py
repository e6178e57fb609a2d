"""What goes wrong where a program begins, runs and ends: one line, whatever it is."""

import errno
import os
import re
import signal
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
import torch
import yaml

from recognition.base import door
from recognition.base.errors import LONGEST, UserError, one_line, quoted

ROOT = Path(__file__).parent.parent

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
    found = door.failure(error)
    assert found is None if said is None else said in found and "\n" not in found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "too little memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"), "too little"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "too little memory"),
        (ImportError("libtorch_cuda.so: cannot open shared object file"), None),
        (
            OSError(errno.ENOSPC, "No space left on device", "models/a.pth"),
            "models/a.pth: No space left on device; make",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk: No space left on device; make room"),
        (PermissionError(errno.EACCES, "Permission denied", b"data/\xff"), "Permission denied; give yourself"),
        (OSError(errno.EIO, "Input/output error", "/opt/nvidia/x"), "/opt/nvidia/x: Input/output error; mend that"),
        (ModuleNotFoundError("No module named 'tqdm'", name="tqdm"), "has no tqdm; `make repro`"),
        (ModuleNotFoundError("No module named 'recognition.x'", name="recognition.x"), None),
        (UserError("a\nb\x1b[2J: no picture"), "error: a b\\x1b[2J: no picture"),
        (ValueError("of our own"), None),
    ],
    ids=str,
)
def test_what_a_user_can_mend_is_one_line(error, said):
    found = door.failure(error)
    assert found is None if said is None else (found.startswith("error: ") and said in found and "\n" not in found)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")], ids=str)
def test_each_program_names_what_of_its_own_takes_less_memory(error, capsys):
    def program():
        raise error

    with pytest.raises(SystemExit) as caught:
        door.run(program, "fewer sweep.workers take less")
    assert "; fewer sweep.workers take less" in caught.value.code and "batch_size" not in caught.value.code
    assert "params.yaml" not in door.failure(MemoryError())  # as of `predict`, which has none


def less() -> list[tuple[str, str]]:
    """(stage, key of params.yaml) that a stage names where memory is short."""
    found = []
    for path in sorted((ROOT / "stages").glob("*.py")):
        if said := re.search(r'takes_less="(.*)"', path.read_text()):
            found += [(path.stem, key) for key in re.findall(r"(?:\w+\.)+\w+", said[1].replace("params.yaml", ""))]
    return found


@pytest.mark.parametrize(("stage", "key"), less())
def test_what_a_stage_names_is_in_params(stage, key):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert (
        reduce(dict.get, key.split("."), values) is not None or key == "sweep.workers"
    )  # null: as many as there are cores


def test_a_line_is_never_longer_than_a_screen_and_keeps_its_mend():
    line = str(UserError(f"params.yaml: {'x' * 100_000}; the mend"))
    assert len(line) <= LONGEST + 1 and line.startswith("params.yaml: x") and line.endswith("; the mend")
    assert one_line("short") == "short" and quoted("short") == "'short'"
    assert len(quoted(["x" * 3000])) < 100


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        (os.fsdecode(b"7_\xff.png"), r"7_\xff.png"),
        ("9.41.07\u202fPM.png", r"9.41.07\u202fPM.png"),
        ("a\xa0b\u200dc.png", r"a\xa0b\u200dc.png"),
        ("\x1b[2J\U000e0001", r"\x1b[2J\U000e0001"),
        ("έ 7  x\n.png", "έ 7 x .png"),
    ],
)
def test_a_name_is_found_again_by_what_is_told_of_it(name, seen):
    assert one_line(name) == one_line(one_line(name)) == seen


BEGUN = """
import sys
sys.path.insert(0, sys.argv[1])
import stages
import slow
stages.run(slow.stage)
"""
SLOW = """
import sys, time
print("importing", flush=True)
try:
    {importing}
except BaseException:
    raise ImportError("a library takes Ctrl-C for a fault of its own")
def stage():
    print("running", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("importing", "awaited", "said"),
    [
        ("time.sleep(60)", "importing", "stopped"),
        ("pass", "running", "stopped: nothing finished is lost, the same command goes on from here"),
    ],
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_is_one_line_from_the_first_import_on(tmp_path, importing, awaited, said, how):
    (tmp_path / "slow.py").write_text(SLOW.format(importing=importing))
    command = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{BEGUN}"
    process = subprocess.Popen(
        [sys.executable, "-c", command, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while process.stdout.readline().strip() != awaited:
        assert process.poll() is None
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, f"{said}\n")


def test_an_import_without_memory_is_one_line(tmp_path):
    (tmp_path / "slow.py").write_text("raise ImportError('libtorch_cpu.so: failed to map segment from shared object')")
    done = subprocess.run([sys.executable, "-c", BEGUN, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: too little memory") and done.stderr.count("\n") == 1


def limited(kib: int, program: str) -> subprocess.CompletedProcess:
    command = f"ulimit -v {kib}; exec {sys.executable} -c '{program}'"
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)


def test_too_few_addresses_for_torch_are_one_line():
    done = limited(3_000_000, "import stages; import torch")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: this process may have 3072 MB of addresses") and "unlimited" in done.stderr


TORCH = "import stages; from recognition.base.determinism import pin_torch; pin_torch()"


@pytest.mark.parametrize(
    ("kib", "program"),
    [
        (3_500_000, f"{TORCH}; import torch; print(torch.ones(300, 300) @ torch.ones(300, 300))"),
        (1_000_000, "import stages.report, stages.download"),
    ],
)
def test_enough_addresses_are_not_refused(kib, program):
    done = limited(kib, program)
    assert done.returncode == 0, done.stderr


def test_libraries_warnings_do_not_talk_over_us(tmp_path):
    slow = "import warnings\nwarnings.warn('of a library')\ndef stage():\n    warnings.warn('later', RuntimeWarning)"
    (tmp_path / "slow.py").write_text(slow)
    command = [sys.executable, "-c", BEGUN, tmp_path]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr == ""
    asked = subprocess.run([*command[:1], "-W", "default", *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert "of a library" in asked.stderr and "later" in asked.stderr


def test_settings_that_a_notebook_or_a_user_has_left_do_not_reach_the_programs():
    inherited = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "OPENBLAS_NUM_THREADS": "64"}
    check = "import stages, os, matplotlib; print(matplotlib.get_backend(), os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, env=os.environ | inherited, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["agg", "1"]


def test_a_python_without_the_packages_is_told_of_the_environment(tmp_path):
    """As `python3 -m recognition predict` by the system's own."""
    bare = [sys.executable, "-I", "-S", "-c"]
    program = (
        "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('recognition', None, '__main__')"
    )
    done = subprocess.run([*bare, program, ROOT, "predict", "x.png"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and ". .venv/bin/activate" in done.stderr
