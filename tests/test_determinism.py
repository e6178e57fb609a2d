import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recognition.base.determinism import INSTRUCTION_SET, generator, pin_arithmetic

ROOT = Path(__file__).parent.parent


def draws(*purpose) -> list[float]:
    return torch.rand(4, generator=generator(*purpose)).tolist()


def test_a_generator_depends_on_seed_and_purpose_and_on_nothing_else():
    alone = draws(3, "order", 1)
    draws(3, "dropout", 1)
    torch.rand(1000)
    assert draws(3, "order", 1) == alone
    others = [draws(4, "order", 1), draws(3, "order", 2), draws(3, "dropout", 1), draws(3, "order", "1")]
    assert all(other != alone for other in others)


def test_the_instruction_set_is_settled_before_torch_is_there():
    with pytest.raises(RuntimeError, match="before torch"):
        pin_arithmetic()  # this very process has torch


@pytest.mark.parametrize("program", ["import stages", "from recognition import __main__ as m; m.pin_arithmetic()"])
def test_every_program_pins_the_arithmetic_first(program):
    check = f"{program}\nimport os, sys; assert 'torch' not in sys.modules; import torch"
    check += "\nprint(torch.backends.cpu.get_cpu_capability(), *(os.environ[k] for k in sys.argv[1:]))"
    bare = {k: v for k, v in os.environ.items() if k not in INSTRUCTION_SET}
    out = subprocess.run(
        [sys.executable, "-c", check, *INSTRUCTION_SET], env=bare, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["AVX2", *INSTRUCTION_SET.values()]


def test_torch_runs_one_thread_an_operation_and_no_kernel_that_varies():
    check = "import stages; from recognition.base.determinism import pin_torch; pin_torch(); import torch"
    check += "\nprint(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())"
    out = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["1", "True"]


TRAINING = """
import os, sys
os.sched_setaffinity(0, map(int, sys.argv[2:]))
import stages
from recognition.base.determinism import generator, pin_torch
pin_torch()
import hashlib, torch
from pathlib import Path
from recognition.training import checkpoints
from recognition import networks
from recognition.training import fit
from recognition.training.augmentation import Distortion
from recognition.training.datasets import Normalisation, Split
arguments = {"classes": 10, "filters": 10, "kernel_size": 5, "dropout": 0.5}
network = networks.build("MnistNet", arguments, generator(0, "weights"))
draws = generator(0, "pictures")
pictures = torch.randint(0, 256, (600, 28, 28), generator=draws, dtype=torch.uint8)
split = Split(pictures, torch.randint(0, 10, (600,), generator=draws))
recipe = fit.Recipe(2, 200, 0.05, 0.9, 5e-4, Distortion(8.0, 0.1, 1.5), seed=0, shards=2)
scale, kept = Normalisation(0.5, 0.3), Path(sys.argv[1])
history = fit.fit(network, split, [split], scale, recipe, "cpu", kept, lambda n: None)
content = checkpoints.serialised([network.state_dict(), history.best]) + repr(history[:2]).encode()
print(len(os.sched_getaffinity(0)), hashlib.sha256(content).hexdigest())
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine lends us one core alone")
def test_a_training_is_the_same_on_one_core_and_on_all(tmp_path):
    cores, found = sorted(os.sched_getaffinity(0)), {}
    for number, own in enumerate((cores[:1], cores)):
        out = subprocess.run(
            [sys.executable, "-c", TRAINING, str(tmp_path / f"kept{number}"), *map(str, own)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert out.returncode == 0, out.stderr
        n, found[len(own)] = out.stdout.split()
        assert int(n) == len(own)
    assert found[1] == found[len(cores)]
