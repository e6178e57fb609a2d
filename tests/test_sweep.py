"""Cells side by side: the same outcomes whatever computes them, in whatever order, killed or not."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import torch
import yaml

from recognition.base import door, files, fingerprints, machine, workers
from recognition.base.determinism import generator, pin_torch
from recognition.base.errors import UserError
from recognition.sweep import effects, processes, schedule, task
from recognition.sweep.data import in_a_file
from recognition.sweep.store import Store
from recognition.sweep.task import Outcome, cell
from recognition.training import checkpoints, datasets, evaluation
from recognition.training.datasets import Data, Normalisation, Split
from recognition.training.evaluation import Score

ROOT = Path(__file__).parent.parent
SETTINGS = {
    "epochs": 2,
    "dropout": 0.5,
    "optimizer": "muon",
    "batch_size": 50,
    "learning_rate": 0.01,
    "warm_up": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.01,
}
KEYS = [("MnistNet", 2, 5, 3), ("MnistNet2", 3, 5, 3), ("MnistNet3", 5, 10, 3), ("MnistNet", 2, 5, 4)]
WANTED = [cell(*key, **SETTINGS) for key in KEYS]


def random_data(n: int = 400) -> Data:
    """Stripes, upright or level, in noise: something that can be learnt."""
    draws = generator(0, "pictures")
    labels = torch.randint(0, 2, (n,), generator=draws)
    pictures = torch.randint(0, 120, (n, 28, 28), generator=draws)
    pictures[labels == 0, ::4] += 100
    pictures[labels == 1, :, ::4] += 100
    whole = Split(pictures.to(torch.uint8), labels)
    return Data(whole[:200], whole[200:300], whole[300:], datasets.normalisation(whole.pictures), classes=2)


DATA = random_data()


def computed(folder: Path, wanted=WANTED, n_workers: int | None = 2, data: Data = DATA) -> dict:
    return dict(schedule.outcomes(wanted, data, folder, "cpu", n_workers, scheduler=None))


@contextmanager
def here(*_):
    """A pool whose tasks this process computes at once."""

    def submit(task, *arguments) -> Future:
        future = Future()
        future.set_result(task(*arguments))
        return future

    yield processes.Pool(submit, lambda data: lambda: data)


@cache
def computed_here(wanted: tuple = tuple(WANTED)) -> dict:
    return {cell: task.compute(cell, lambda: DATA, "cpu", None) for cell in wanted}


@pytest.fixture
def expected() -> dict:
    return computed_here()


@pytest.fixture
def expected_long() -> dict:
    return computed_here(tuple(LONG))


def no_pool(*_):
    raise AssertionError("something was computed")


def test_cells_learn(expected, expected_long):
    assert list(map(set, (expected, expected_long))) == [set(WANTED), set(LONG)]
    assert all(outcome.test.accuracy > 0.9 for outcome in expected_long.values())


def test_an_outcome_depends_on_the_cell_alone(expected, tmp_path):
    """Two workers, one and this process, the other order, and a cell for itself."""
    assert computed(tmp_path / "two") == expected
    assert computed(tmp_path / "one", WANTED[:0:-1], n_workers=1) == {cell: expected[cell] for cell in WANTED[1:]}
    assert computed(tmp_path / "alone", WANTED[1:2]) == {WANTED[1]: expected[WANTED[1]]}
    assert len({outcome.train_loss for outcome in expected.values()}) == len(WANTED)


def test_a_cell_is_the_same_training_as_the_stage_trains(tmp_path, monkeypatch):
    """The stage `train` on the same pictures, with a cell's settings, and `evaluate`'s way of testing."""
    from stages import train as stage  # not above: workers import this module, torch first

    pin_torch()
    whole = Split(torch.cat([DATA.train.pictures, DATA.held_out.pictures]), torch.arange(300) % 10)
    monkeypatch.setattr(datasets, "load", lambda name, root, train: whole if train else DATA.test)
    monkeypatch.setattr(stage, "STATES", tmp_path / "states")
    told, write = [], files.write_csv

    def write_csv(path: Path, header, rows) -> None:
        write(path, header, rows)
        told.append((path.name, len(files.read_csv(path))))

    monkeypatch.setattr(files, "write_csv", write_csv)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    same = {"batch_size": 50, "learning_rate": 0.03, "momentum": 0.9, "weight_decay": 0.01}
    still = {"rotation": 0.0, "scale": 0.0, "shift": 0.0}
    own = {"device": "cpu", "shards": 1, "filters": 5, "kernel_size": 3, "held_out": 100, "epochs": 2, "seed": 3}
    params["train"] |= same | still | own
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    stage.main()

    assert [rows for name, rows in told if name == "epochs.csv"] == [1, 2]  # a training that runs can be watched
    data = datasets.fashion(Path(), held_out=100, seed=3)
    chosen = {name: params["train"][name] for name in ("dropout", "optimizer", "warm_up")}
    wanted = cell("MnistNet", 3, 5, 3, epochs=2, **chosen, **same)
    wanted = wanted._replace(recipe=replace(wanted.recipe, purpose=()))  # `train` trains one network
    found = task.compute(wanted, lambda: data, "cpu", None)
    metrics = json.loads(Path("reports/train/metrics.json").read_text())["train"]
    trained = (metrics["train_loss"], metrics["held_out_loss"], metrics["held_out_accuracy"])
    assert (found.train_loss, *found.held_out) == pytest.approx(trained, abs=1e-6)
    checkpoint = checkpoints.load(Path("models/train/checkpoint.pth"))
    assert evaluation.mean_score(checkpoint.network(), DATA.test, checkpoint.normalisation) == found.test


def test_more_epochs_under_several_seeds_are_told_by_their_means_and_their_own_noise(tmp_path, monkeypatch):
    from stages import epochs as stage

    def outcomes(wanted, *_):
        for one in wanted:
            n, seed = one.recipe.epochs, one.recipe.seed
            right = 0.7 + 0.01 * n + 0.02 * (seed == 4) - 0.1 * (one.recipe.dropout_epochs == 1)
            yield one, Outcome(1 / n, Score(0.5, right), Score(0.6, right - (0.2 if one.dropout == 0.5 else 0.1)))

    monkeypatch.setattr(datasets, "fashion", lambda root, held_out, seed: DATA)
    monkeypatch.setattr(schedule, "outcomes", outcomes)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["epochs"] = {"budgets": [1, 2, 4], "seeds": [3, 4]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    best = {"architecture": "MnistNet", "kernel_size": 3, "filters": 5}
    sweep = {"best": best, "noise": {"seeds": 5, "held_out_sd": 0.5}}
    files.write_json(tmp_path / stage.SWEEP, {"sweep": sweep})
    monkeypatch.chdir(tmp_path)
    stage.main()

    runs, budgets = (files.read_csv(stage.REPORTS / f"{name}.csv") for name in ("runs", "budgets"))
    assert [(row["epochs"], row["seed"]) for row in runs] == [(n, s) for n in "124" for s in "34"]
    assert [float(row["held_out_accuracy"]) for row in budgets] == pytest.approx([0.72, 0.73, 0.75])
    metrics = json.loads((stage.REPORTS / "metrics.json").read_text())["epochs"]
    deviation = 0.02 / math.sqrt(2)  # of two that are so far apart, for every number of epochs
    assert (metrics["seeds"], metrics["chosen"]) == (2, 4) and metrics["held_out_sd"] == round(deviation, 6)
    assert metrics["threshold"] == round(effects.Noise(4, deviation).threshold(3, 2), 6)  # three degrees of freedom
    assert (metrics["held_out_accuracy"], metrics["test_accuracy"]) == (0.75, 0.65)
    assert metrics["dropout"] == {"epochs": 4, "in_all": 0.55, "in_the_first": 0.45}


def test_cells_begin_apart():
    """With the same seed no cell's weights are a part of another's, and no order of pictures is another's."""
    narrow, wide = (cell("MnistNet", 5, filters, 3, **SETTINGS) for filters in (5, 10))
    first, second = (one.network(10).conv1.weight for one in (narrow, wide))
    assert not torch.equal(first / first.abs().max(), second[:5] / second[:5].abs().max())
    orders = {
        tuple(torch.randperm(50, generator=generator(3, *one.recipe.purpose, "order", 1)).tolist())
        for one in WANTED[:3]
    }
    assert len(orders) == 3


def test_the_bar_counts_multiplications_as_no_two_networks_take_the_same_time():
    once, twice = (cell("MnistNet", 5, 10, 3, **SETTINGS | {"epochs": n}) for n in (1, 2))
    by_hand = 28 * 28 * 10 * 25 + 14 * 14 * 20 * 250 + 980 * 50 + 50 * DATA.classes
    assert schedule.work(twice, DATA) == 2 * schedule.work(once, DATA) == 2 * 3 * len(DATA.train.labels) * by_hand


def test_one_process_for_a_gpu_unless_more_are_named(tmp_path, monkeypatch):
    asked = []

    def pool(n, scheduler, device, folder):
        asked.append(n)
        return here()

    monkeypatch.setattr(schedule, "pool", pool)
    monkeypatch.setattr(task, "compute", lambda *_: task.Outcome(1.0, Score(1.0, 0.5), Score(1.0, 0.5)))
    monkeypatch.setattr(fingerprints, "machine", lambda device: [device])
    monkeypatch.setattr(machine, "cores", lambda: 3)
    for number, (device, named) in enumerate([("cpu", None), ("cuda", None), ("cuda", 2)]):
        list(schedule.outcomes(WANTED, DATA, tmp_path / str(number), device, named, None))
    assert asked == [3, 1, 2]


def test_no_more_workers_than_memory_has_room_for(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 64)
    rooms = {}
    for gigabytes in (0.2, 2, 8, 256):
        monkeypatch.setattr(machine, "memory", lambda n=gigabytes: int(n * 1e9))
        rooms[gigabytes] = schedule.room()
    assert rooms == {0.2: 1, 2: 4, 8: 19, 256: 64}


def test_what_is_finished_is_not_computed_again(expected, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "pool", here)
    computed(tmp_path, WANTED[:2])
    monkeypatch.setattr(schedule, "pool", no_pool)
    assert computed(tmp_path, WANTED[:1]) == {WANTED[0]: expected[WANTED[0]]}  # a shorter list
    with pytest.raises(AssertionError, match="something was computed"):
        computed(tmp_path, WANTED)
    monkeypatch.undo()
    asked = []
    original = processes.pool
    monkeypatch.setattr(processes, "pool", lambda n, provide: (asked.append(n), original(n, provide))[1])
    assert computed(tmp_path, WANTED, n_workers=8) == expected  # a longer one: two are missing
    assert asked == [2]


@pytest.mark.parametrize("change", ["code", "data", "seed", "device", "learning rate", "library"])
def test_whatever_determines_a_result_is_in_its_name(tmp_path, monkeypatch, change):
    monkeypatch.setattr(schedule, "pool", here)
    computed(tmp_path, WANTED[:1])
    monkeypatch.setattr(schedule, "pool", no_pool)
    wanted, data, device = WANTED[0], DATA, "cpu"
    recipe = wanted.recipe
    match change:
        case "code":
            monkeypatch.setattr(fingerprints, "code", lambda program: "another")
        case "data":
            data = DATA._replace(test=Split(255 - DATA.test.pictures, DATA.test.labels))
        case "seed":
            wanted = wanted._replace(recipe=replace(recipe, seed=9))
        case "device":
            device = "another"
        case "learning rate":
            wanted = wanted._replace(recipe=replace(recipe, learning_rate=0.02))
        case "library":
            monkeypatch.setattr(fingerprints, "machine", lambda device: ["torch 9"])
    with pytest.raises(AssertionError, match="something was computed"):
        list(schedule.outcomes([wanted], data, tmp_path, device, 1, None))


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{}", b'[1, [2, 3], [4, "a"]]', b"\xff"])
def test_a_damaged_outcome_counts_as_none(tmp_path, content):
    store = Store(tmp_path, DATA, "cpu", WANTED[:1])
    assert store.read(WANTED[0]) is None
    (tmp_path / "outcomes").mkdir()
    (tmp_path / "outcomes" / f"{store.names[WANTED[0]]}.json").write_bytes(content)
    assert store.read(WANTED[0]) is None


PROGRAM = """
import signal, sys; sys.path[:0] = ["tests", "."]
import stages
from pathlib import Path
import test_sweep as t
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    for done in t.schedule.outcomes(t.LONG, t.DATA, Path(sys.argv[1]), "cpu", 2, None):
        print("done", flush=True)
"""
LONG = [replaced._replace(recipe=replace(replaced.recipe, epochs=40)) for replaced in WANTED]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_called_again_it_computes_what_is_missing(expected_long, tmp_path, monkeypatch, how):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "done\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(process.pid, how)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while alive := [pid for pid in children if running(pid)]:
        assert time.monotonic() < deadline, f"{alive} outlived their parent"
        time.sleep(0.05)
    finished = len(list((tmp_path / "outcomes").glob("[!.]*")))
    assert 1 <= finished < len(LONG)
    monkeypatch.setattr(schedule, "pool", here)
    assert computed(tmp_path, LONG) == expected_long


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_that_is_killed_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"lower sweep\.workers"), processes.pool(1, provide=lambda data: data) as pool:
        pool.submit(os.kill, 0, 0).result()
        pool.submit(os.abort).result()


def test_a_shared_memory_that_is_full_is_one_line(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")  # as of a semaphore, without a file's name

    monkeypatch.setattr(processes, "ProcessPoolExecutor", full)
    with (
        pytest.raises(UserError, match=r"^/dev/shm: No space left on device; .* make room"),
        processes.pool(1, provide=lambda data: data),
    ):
        pass


INTERRUPTED = """
import signal, sys, os; sys.path[:0] = ["tests", "."]
import stages
from pathlib import Path
import test_sweep as t
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with t.processes.pool(2, provide=lambda data: data) as pool:
            futures = [pool.submit(os.getpid) for _ in range(2)]
            os.killpg(0, signal.SIGINT)  # as a terminal does, while the workers import
            [future.result() for future in futures]
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_while_workers_start_is_the_parents_alone(tmp_path):
    (tmp_path / "program.py").write_text(INTERRUPTED)
    command = [sys.executable, tmp_path / "program.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, start_new_session=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


STOPPED_IN_A_START = """
import os, signal, sys, threading, time; sys.path[:0] = ["."]
import multiprocessing.util
from recognition.base import door
from recognition.sweep import processes

def start(path, words, handles, begin=multiprocessing.util.spawnv_passfds):
    process = begin(path, words, handles)
    if "multiprocessing.spawn" in str(words):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        time.sleep(1)  # of a busy machine, before the process is told what it is
    return process

def main():
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()  # such as torch's, which take signals, too
    with processes.pool(2, provide=lambda data: data) as pool:
        pool.submit(os.getpid).result()

if __name__ == "__main__":
    multiprocessing.util.spawnv_passfds = start
    door.begin()
    door.run(main)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_comes_while_a_worker_is_started_by_half_waits_for_its_start(tmp_path, name):
    (tmp_path / "program.py").write_text(STOPPED_IN_A_START)
    command = [sys.executable, tmp_path / "program.py", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, start_new_session=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{door.STOPPED}\n")


def test_a_stop_that_waits_comes_once_and_one_that_is_ignored_never(monkeypatch):
    came = []
    before = [signal.signal(signal.SIGINT, lambda number, _: came.append(number)), signal.getsignal(signal.SIGTERM)]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with workers.unstopped():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert not came
        assert came == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT, signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_a_stop_between_two_handlers_leaves_none_that_holds_another_back():
    """Before each call of signal.signal in turn, and after it."""
    real, before = signal.signal, [signal.getsignal(number) for number in workers.STOPS]
    came, left = [], 0

    def interrupting(number: int, handler: object) -> None:
        nonlocal left
        for act in (lambda: None, lambda: real(number, handler)):
            act()
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    try:
        for moment in range(1, 9):
            left = moment
            for number in workers.STOPS:
                real(number, lambda number, _: came.append(number))
            with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(signal, "signal", interrupting)
                with workers.unstopped():
                    pass
            for number in workers.STOPS:
                signal.raise_signal(number)
        assert came == [*workers.STOPS] * 8
    finally:
        for number, handler in zip(workers.STOPS, before, strict=True):
            real(number, handler)


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_a_pool_that_is_left_leaves_no_thread(error):
    before = set(threading.enumerate())
    with pytest.raises(error), processes.pool(2, provide=lambda data: data) as pool:
        futures = [pool.submit(time.sleep, 1000) for _ in range(8)]
        raise error
    assert all(future.done() for future in futures)
    assert set(threading.enumerate()) == before


def test_runs_side_by_side_with_other_data_leave_each_others_alone(tmp_path):
    other = DATA._replace(classes=3, train=DATA.test)
    first, second = in_a_file(DATA, tmp_path), in_a_file(other, tmp_path)
    (tmp_path / ".unfinished.part").touch()
    in_a_file(DATA, tmp_path)
    assert torch.equal(first().train.pictures, DATA.train.pictures)
    assert torch.equal(second().train.pictures, other.train.pictures) and second().classes == 3
    assert (tmp_path / ".unfinished.part").exists()


def kept_for_itself(shared, meeting: Path) -> int:
    """In a worker: kB that this process holds of the data's file beside what the system shares, once two hold it."""
    assert shared().train.pictures.sum() > 0
    (meeting / str(os.getpid())).touch()
    deadline = time.monotonic() + 120
    while len(list(meeting.iterdir())) < 2:
        assert time.monotonic() < deadline, "there is no second worker"
        time.sleep(0.01)
    maps = Path("/proc/self/smaps").read_text()
    [own] = [part for part in maps.split("VmFlags") if ".pt\n" in part]
    fields = dict(line.split(":")[:2] for line in own.splitlines() if line.endswith(" kB"))
    assert int(fields["Rss"].split()[0]) > 5000
    return int(fields["Private_Dirty"].split()[0]) + int(fields["Anonymous"].split()[0])


def test_workers_hold_one_copy_of_the_data(tmp_path):
    big = DATA._replace(train=Split(DATA.train.pictures.repeat(50, 1, 1), DATA.train.labels.repeat(50)))
    (tmp_path / "meeting").mkdir()
    with processes.pool(2, partial(in_a_file, folder=tmp_path / "data")) as pool:
        shared = pool.provide(big)
        futures = [pool.submit(kept_for_itself, shared, tmp_path / "meeting") for _ in range(2)]
        assert [future.result() for future in futures] == [0, 0]


def test_the_data_is_one_mapped_copy(tmp_path):
    found = in_a_file(DATA, tmp_path)()
    [path] = tmp_path.iterdir()
    assert all(torch.equal(a, b) for a, b in zip(found.train, DATA.train, strict=True))
    assert found.normalisation == DATA.normalisation and isinstance(found.normalisation, Normalisation)
    assert str(path.resolve()) in Path("/proc/self/maps").read_text()
