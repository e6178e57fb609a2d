import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.base.determinism import ENVIRONMENT, generator, pin_arithmetic

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
    bare = {k: v for k, v in os.environ.items() if k not in ENVIRONMENT}
    out = subprocess.run(
        [sys.executable, "-c", check, *ENVIRONMENT], env=bare, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["AVX2", *ENVIRONMENT.values()]


WORKER = """
import os, sys
from recognition.base.determinism import pin_arithmetic_once
from recognition.base.errors import UserError
{first}
try:
    pin_arithmetic_once()
except UserError as error:
    sys.exit(str(error))
import torch
pin_arithmetic_once()
print(*(os.environ[name] for name in sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_dask_worker_settles_its_arithmetic_whatever_it_inherits(name):
    """It passes no door; once torch is there with other settings, it refuses."""
    inherited = os.environ | ENVIRONMENT | {name: "ANY" if "FPMATH" in name else ""}

    def worker(first: str) -> subprocess.CompletedProcess:
        program = [sys.executable, "-c", WORKER.format(first=first), *ENVIRONMENT]
        return subprocess.run(program, env=inherited, cwd=ROOT, capture_output=True, text=True)

    assert worker("").stdout.split() == list(ENVIRONMENT.values())
    assert "start this worker anew" in worker("import types; sys.modules['torch'] = types.ModuleType('torch')").stderr


def test_a_dask_worker_computes_with_all_bits():
    assert ENVIRONMENT["ONEDNN_DEFAULT_FPMATH_MODE"] == "STRICT"


def test_torch_runs_one_thread_an_operation_and_no_kernel_that_varies():
    check = "import stages; from recognition.base.determinism import pin_torch; pin_torch(); import torch"
    check += "\nprint(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())"
    check += "\nprint(torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)"
    own = os.environ | {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}  # as NVIDIA's containers have it
    out = subprocess.run([sys.executable, "-c", check], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["1", "True", "False", "False"]


TRAININGS = """
import stages
import hashlib, json, os, torch
from dataclasses import replace
from recognition import networks
from recognition.base.determinism import generator, pin_torch
from recognition.networks import freeze_features
from recognition.training import doubt, evaluation
from recognition.training.augmentation import Distortion
from recognition.base.determinism import serialised
from recognition.training.datasets import Data, Normalisation, Split
from recognition.training.fit import Recipe, fit
pin_torch()
draws = generator(0, "pictures")
pictures = torch.randint(0, 256, (400, 28, 28), generator=draws, dtype=torch.uint8)
split = Split(pictures, torch.randint(0, 10, (400,), generator=draws))
scale, found = Normalisation(0.5, 0.3), {}
still = Distortion(0.0, 0.0, 0.0)
moved = Distortion(20.0, 0.2, 1.5, shear=0.1, elastic=100.0)
sgd = Recipe(1, 100, 0.05, 0.9, 5e-4, moved, seed=0, shards=2)
muon = Recipe(1, 64, 0.007, 0.9, 0.01, still, seed=0, shards=1, optimizer="muon", warm_up=0.1)

def train(name, network, recipe, train=split):
    history = fit(network, train, [train[:60]], scale, recipe, "cpu", None, lambda n: None)
    content = serialised(network.state_dict()) + repr(history[:2]).encode()
    found[name] = hashlib.sha256(content).hexdigest()
    return network

def built(name, **arguments):
    return networks.build(name, {"classes": 10, "dropout": 0.5, **arguments}, generator(0, "weights"))

digits = train("train", built("MnistNet", filters=10, kernel_size=5), sgd)
known = doubt.learn(digits, split, split[:60], scale, 3)
found["doubt"] = hashlib.sha256(serialised(tuple(known))).hexdigest()
arguments = {"classes": 3, "filters": 10, "kernel_size": 5, "dropout": 0.5}
letters = Split(pictures[:31], torch.arange(31) % 3)
as_in_the_report = replace(sgd, batch_size=10, schedule="constant", distortion=still)
for name, recipe in ("last layer", as_in_the_report), ("all layers", sgd):
    network = networks.with_new_head("MnistNet", arguments, digits.state_dict(), generator(1, name))
    if name == "last layer":
        freeze_features(network)
    history = fit(network, letters, [letters], scale, recipe, "cpu", None, lambda n: None)
    found[f"finetune, {name}"] = hashlib.sha256(serialised(network.state_dict())).hexdigest()
for name in ("MnistNet", "MnistNet2", "MnistNet3"):
    train(f"{name}, narrow", built(name, filters=5, kernel_size=2), muon)
    train(f"{name}, wide", built(name, filters=90, kernel_size=6), muon, split[:140])
for name in ("sgd", "adamw", "muon"):
    recipe = replace(muon, shards=2, optimizer=name)
    network = train(f"MobileNet, {name}", built("MobileNet", image_size=28), recipe, split[:128])
enlarged = built("MobileNet", image_size=48)
train("MobileNet, enlarged", enlarged, replace(muon, shards=2, optimizer="adamw"), split[:128])
features = evaluation.log_probabilities(network.backbone(), split.pictures[:128], scale)
train("MobileNet, frozen", network.head(), replace(muon, shards=2), Split(features, split.labels[:128]))
print(json.dumps(found | {"cores": len(os.sched_getaffinity(0))}))
"""


# ---- processors of two vendors: MKL asks one function of its own which it is on, and here we answer

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
VENDOR = "int mkl_serv_intel_cpu_true(void) {{ return {0}; }}\nint mkl_serv_intel_cpu(void) {{ return {0}; }}\n"
needs_a_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler; apt install gcc")


def on_each_vendor(program: str, folder: Path, **environment: str) -> list[str]:
    """What `program` prints where MKL takes the processor for one of Intel's, and where for another's."""
    found = []
    for intel in (1, 0):
        source, library = folder / f"vendor{intel}.c", folder / f"vendor{intel}.so"
        source.write_text(VENDOR.format(intel))
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source], check=True)
        own = os.environ | {"LD_PRELOAD": str(library)} | environment
        out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=own, capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        found.append(out.stdout)
    return found


PRODUCTS = """
import hashlib, json, torch
torch.set_num_threads(1)
draws = torch.Generator().manual_seed(0)
a, b = (torch.rand(size, generator=draws) for size in ((300, 360), (360, 200)))
print(json.dumps(hashlib.sha256((a @ b).numpy()).hexdigest()))
"""


@needs_a_compiler
def test_mkl_heeds_the_vendor_unless_it_is_told_to_be_compatible(tmp_path):
    """The premise of what follows: AVX2 is obeyed on one vendor's processor alone, and our answers reach MKL."""
    intels, others = (mkls_words(own) for own in on_each_vendor(PRODUCTS, tmp_path, MKL_CBWR="AVX2", MKL_VERBOSE="1"))
    assert "CNR:AVX2" in intels and "CNR:AVX2" not in others
    one, other = on_each_vendor(PRODUCTS, tmp_path, MKL_CBWR="COMPATIBLE")
    assert one == other


def mkls_words(printed: str) -> str:
    """How MKL describes the product that it computed."""
    return next(line for line in printed.splitlines() if "SGEMM" in line)


ONE_CORE = """
import os
if "vendor0" in os.environ["LD_PRELOAD"]:
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
"""


@needs_a_compiler
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine lends us one core alone")
def test_every_training_is_the_same_on_every_vendors_processor_and_on_one_core_as_on_all(tmp_path):
    """Where MKL sees one of Intel's with every core, and where it sees another's with one."""
    one, other = map(json.loads, on_each_vendor(f"{ONE_CORE}{TRAININGS}", tmp_path))
    assert one.pop("cores") > other.pop("cores") == 1
    assert one == other
    assert len(one) == len(set(one.values())) == 15


READINGS = """
import hashlib, json, sys
import numpy as np
from pathlib import Path
from recognition.ink.decode import read_grey
from recognition.ink.characters import find_characters
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength
draws, found = np.random.default_rng(0), {}
for path in sorted(Path("data/handwriting").rglob("*.png"))[:12]:
    clean = read_grey(path)
    noisy = clean * np.linspace(0.5, 0.9, clean.shape[1]) + draws.integers(0, 20, clean.shape)
    for name, grey in ("clean", clean), ("noisy", noisy.astype(np.uint8)), ("dark", (255 - noisy).astype(np.uint8)):
        one = find_characters(strength(grey))[0]
        parts = one.ink, normalise(one.ink)
        found[f"{path} {name}"] = [one.box, *(hashlib.sha256(part.tobytes()).hexdigest() for part in parts)]
print(json.dumps(found))
"""


def test_what_is_found_of_ink_does_not_depend_on_numpys_choice_of_kernels():
    features = np._core._multiarray_umath
    beyond = [name for name in features.__cpu_dispatch__ if features.__cpu_features__[name]]
    assert beyond, "numpy has nothing to choose from here"
    run = {"args": [sys.executable, "-c", READINGS], "cwd": ROOT, "capture_output": True, "check": True, "text": True}
    as_it_is = json.loads(subprocess.run(**run).stdout)
    plainer = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(beyond)}
    assert json.loads(subprocess.run(**run, env=plainer).stdout) == as_it_is
    assert len(as_it_is) >= 30
