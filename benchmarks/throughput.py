"""Training speed: this project's loops against the usual one, and against the processor's limit.

    python -m benchmarks.throughput

The usual loop is torchvision.datasets.MNIST with ToTensor and Normalize, a DataLoader of batches of 64 (the better of 0
and 2 workers), torch.nn.Dropout, SGD with Nesterov momentum, and torch's own choice of threads. Ours is fit.fit
with the recipe of params.yaml, once with its augmentation, which the usual loop does not have, and once without. Each
runs in a process of its own, in turn, ROUNDS times; what counts is the median of each round's ratio. The sweep's cells,
mnistNet and the widest network, are trained as the sweep does it, one on each core, and so is each network of its grid.
The limit is what the processor would do if it did nothing but the networks' multiplications at the speed of a 2048x2048
matrix product on all cores.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

ROUNDS = 3
PICTURES = 40_000
PICTURES_EACH = 1_920  # of the networks of the grid: thirty batches
DATA = Path("data/mnist")
LOOPS = ["usual, 0 workers", "usual, 2 workers", "ours", "ours, not augmented"]
CELLS = {"cells, narrow": ("MnistNet", 5, 10, PICTURES // 2), "cells, widest": ("MnistNet", 6, 90, PICTURES // 20)}


def usual(workers: int) -> float:
    """Pictures per second of the loop that every tutorial has."""
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import MNIST

    network = nn.Sequential(
        nn.Conv2d(1, 10, 5, padding=2),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5, padding=2),
        nn.Dropout(0.5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(980, 50),
        nn.ReLU(),
        nn.Linear(50, 10),
        nn.LogSoftmax(1),
    )
    picture = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.1307], [0.3081])])
    loader = DataLoader(
        Subset(MNIST(DATA, train=True, transform=picture), range(PICTURES)), 64, shuffle=True, num_workers=workers
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    start = time.perf_counter()
    for x, labels in loader:
        optimizer.zero_grad()
        F.nll_loss(network(x), labels).backward()
        optimizer.step()
    return PICTURES / (time.perf_counter() - start)


def ours(augmented: bool) -> float:
    """Pictures per second of fit.fit."""
    from recognition import networks
    from recognition.base import params
    from recognition.base.determinism import generator, pin_torch
    from recognition.training import datasets, fit
    from recognition.training.augmentation import Distortion

    pin_torch()
    split = datasets.load("mnist", DATA, train=True)
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    train = params.load(Path("params.yaml")).train
    distortion = Distortion(train.rotation, train.scale, train.shift) if augmented else Distortion(0.0, 0.0, 0.0)
    recipe = fit.Recipe(
        1,
        train.batch_size,
        train.learning_rate,
        train.momentum,
        train.weight_decay,
        distortion,
        train.seed,
        train.shards,
        optimizer=train.optimizer,
    )
    normalisation = datasets.Normalisation(0.1307, 0.3081)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        fit.fit(
            network, split[:PICTURES], [split[:1]], normalisation, recipe, "cpu", Path(folder) / "kept", lambda n: None
        )
        return PICTURES / (time.perf_counter() - start)


def cells(*cell) -> float:
    """Pictures per second of all cores together, each training this cell."""
    from recognition.base import machine
    from recognition.sweep import processes

    with processes.pool(machine.cores(), provide=lambda data: data) as pool:
        return sum(future.result() for future in [pool.submit(one_cell, *cell) for _ in range(machine.cores())])


def one_cell(architecture: str, kernel_size: int, filters: int, pictures: int) -> float:
    from recognition.base import params
    from recognition.base.determinism import pin_torch
    from recognition.sweep import task
    from recognition.training import datasets, fit

    pin_torch()
    sweep = params.load(Path("params.yaml")).sweep
    settings: dict[str, Any] = {"dropout": sweep.dropout, **sweep.recipe.model_dump()}
    cell = task.cell(architecture, kernel_size, filters, sweep.seed, epochs=1, **settings)
    split, scale = datasets.load("mnist", DATA, train=True), datasets.Normalisation(0.1307, 0.3081)
    for n in pictures // 10, pictures:  # the first to warm up
        start = time.perf_counter()
        fit.fit(cell.network(classes=10), split[:n], [], scale, cell.recipe, "cpu", None, lambda n: None)
    return pictures / (time.perf_counter() - start)


def grid() -> float:
    """Multiplications per second of all cores together, in the training of every network of the sweep."""
    from recognition.base import machine, params
    from recognition.networks import ARCHITECTURES
    from recognition.sweep import processes

    sweep = params.load(Path("params.yaml")).sweep
    keys = [*product(sweep.architectures, sweep.kernel_sizes, sweep.filters)]
    done = [multiplications(ARCHITECTURES[name](kernel_size=size, filters=n)) for name, size, n in keys]
    with processes.pool(machine.cores(), provide=lambda data: data) as pool:
        speeds = [future.result() for future in [pool.submit(one_cell, *key, PICTURES_EACH) for key in keys]]
    return machine.cores() * sum(done) / sum(1 / speed for speed in speeds)


def multiplications(network) -> int:
    """Of a training step, per picture: a forward pass, and two backward ones but for the pictures' own gradient."""
    from recognition.networks.describe import macs
    from recognition.networks.mnistnet import IMAGE_SIZE

    first = network.conv1.weight.numel() * IMAGE_SIZE**2
    return 3 * macs(network) - first


def limit(architecture: str = "MnistNet", kernel_size: int = 5, filters: int = 10, pictures: int = 0) -> float:
    """Pictures per second if a step were nothing but multiplications, at the speed of a large matrix product."""
    from recognition.networks import ARCHITECTURES

    return peak() / multiplications(ARCHITECTURES[architecture](kernel_size=kernel_size, filters=filters))


def peak() -> float:
    """Multiplications per second of a large matrix product on all cores, with whatever kernels torch takes."""
    import torch

    a, best = torch.rand(2048, 2048), math.inf
    for _ in range(10):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2048**3 / best


def measure(what: str) -> float:
    """Run one of the loops in a process of its own: each has its own settings of threads and instruction set."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.throughput", what], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    rounds = []
    for number in range(1, ROUNDS + 1):
        speeds = {what: measure(what) for what in [*LOOPS, *CELLS, "limit", "limit, widest"]}
        rounds.append(speeds | {"grid": measure("grid") / measure("peak")})
        print(f"round {number}: " + "; ".join(f"{what} {speed:,.0f}" for what, speed in speeds.items()), flush=True)
    print("median ratio of ours to the better of the usual loops, and share of the limit:")
    for what in [*LOOPS[2:], *CELLS]:
        top = "limit, widest" if what == "cells, widest" else "limit"
        ratio = statistics.median(r[what] / max(r[LOOPS[0]], r[LOOPS[1]]) for r in rounds)
        share = statistics.median(r[what] / r[top] for r in rounds)
        print(f"  {what}: " + (f"{ratio:.2f} times, " if top == "limit" else "") + f"{100 * share:.0f} %")
    print(f"  every network of the sweep: {100 * statistics.median(r['grid'] for r in rounds):.0f} %")


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main()
        case ["limit"]:
            print(limit())
        case ["peak"]:
            print(peak())
        case ["limit, widest"]:
            print(limit(*CELLS["cells, widest"]))
        case [what] if what.startswith("usual"):
            print(usual(int(what.split()[1])))
        case [what]:
            import stages  # noqa: F401  settles the instruction set, as for every stage

            if what == "grid":
                print(grid())
            else:
                print(cells(*CELLS[what]) if what in CELLS else ours(augmented=what == "ours"))
