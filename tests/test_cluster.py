"""Cells on a Dask cluster: a real scheduler and workers, each a process of its own, on this machine."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_sweep import DATA, LONG, ROOT, WANTED, computed, computed_here

from recognition.base import fingerprints
from recognition.base.errors import UserError
from recognition.sweep import schedule

distributed = pytest.importorskip("distributed", reason="pip install -r requirements-cluster.txt")
dask = pytest.importorskip("dask")

LONGEST = [LONG[0]._replace(recipe=replace(LONG[0].recipe, epochs=100))]
ENDLESS = [cell._replace(recipe=replace(cell.recipe, epochs=10**6)) for cell in LONG]


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []
        self.address, self.protocol = "", "tcp"

    def start(self, *command: str, cwd: Path = ROOT) -> subprocess.Popen:
        log = (self.folder / f"{len(self.processes)}.log").open("w")
        interval = {"DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__INTERVAL": "100ms"}  # not 2 s: sooner over
        environment = os.environ | {"PYTHONPATH": str(cwd)} | interval
        self.processes.append(
            subprocess.Popen([sys.executable, "-m", "dask", *command], cwd=cwd, env=environment, stdout=log, stderr=log)
        )
        return self.processes[-1]

    def scheduler(self) -> None:
        file = self.folder / "scheduler.json"
        self.start(
            "scheduler", f"--host={self.protocol}://127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={file}"
        )
        wait(lambda: file.exists() and file.read_text().endswith("\n}"), "the scheduler")  # all of it is written
        self.address = json.loads(file.read_text())["address"]

    def worker(self, name: str, cwd: Path = ROOT) -> subprocess.Popen:
        host = f"--host={self.protocol}://127.0.0.1"
        options = [f"--name={name}", "--nthreads=1", "--no-nanny", "--no-dashboard", host]
        process = self.start("worker", self.address, *options, f"--local-directory={self.folder / name}", cwd=cwd)
        with distributed.Client(self.address, set_as_default=False) as client:
            wait(lambda: name in names(client).values(), f"the worker {name}")
        return process

    def end(self, first: int = 0) -> None:
        for process in self.processes[first:]:
            process.kill()
            process.wait()

    def alone(self) -> "Cluster":
        """Without the workers of the test before."""
        self.end(first=1)
        with distributed.Client(self.address, set_as_default=False) as client:
            wait(lambda: not names(client), "the end of the workers")
        return self

    def outcomes(self, wanted, folder: Path):
        return schedule.outcomes(wanted, DATA, folder, "cpu", None, self.address)


def names(client) -> dict[str, str]:
    """The workers' names by their addresses."""
    return {address: worker["name"] for address, worker in client.scheduler_info()["workers"].items()}


def wait(ready, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def started(folder: Path, protocol: str = "tcp") -> Iterator[Cluster]:
    cluster = Cluster(folder)
    cluster.protocol = protocol
    try:
        cluster.scheduler()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="module")
def everyones(tmp_path_factory) -> Iterator[Cluster]:
    yield from started(tmp_path_factory.mktemp("everyones"))


@pytest.fixture
def cluster(everyones) -> Iterator[Cluster]:
    """A scheduler, and the workers that the test starts."""
    try:
        yield everyones
    finally:
        everyones.alone()


def test_the_outcomes_are_those_of_this_machines_own_processes(cluster, tmp_path):
    cluster.worker("one")
    cluster.worker("two")
    found = dict(cluster.outcomes(WANTED, tmp_path / "store"))
    assert found == computed_here()
    assert computed(tmp_path / "store") == found  # from one store, wherever it was filled


def test_what_a_killed_worker_was_at_is_computed_again(cluster, tmp_path):
    """Killed hard in the middle of a cell, that is while the scheduler has a task there and others wait."""
    processes = {name: cluster.worker(name) for name in ("one", "two")}
    with distributed.Client(cluster.address, set_as_default=False) as client:
        coming = cluster.outcomes(LONG, tmp_path / "there")
        found = dict([next(coming)])
        victim = next(names(client)[address] for address, tasks in client.processing().items() if tasks)
        processes.pop(victim).kill()
        found |= dict(coming)
        assert list(names(client).values()) == list(processes)
    assert found == computed_here(tuple(LONG))


def test_a_lost_worker_does_not_take_the_only_copy_of_the_data_along(cluster, tmp_path):
    """One task left, at one worker of two: of scattered data the scheduler would keep one copy."""
    processes = {name: cluster.worker(name) for name in ("one", "two")}
    with distributed.Client(cluster.address, set_as_default=False) as client:
        coming = cluster.outcomes(LONGEST, tmp_path / "there")
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(lambda: dict(coming))
            wait(lambda: any(client.processing().values()), "the task")
            time.sleep(0.5)  # five rounds of the memory manager
            [victim] = (names(client)[address] for address, tasks in client.processing().items() if tasks)
            assert not future.done()
            processes.pop(victim).kill()
            found = future.result()
    assert found == computed_here(tuple(LONGEST))


def test_a_worker_with_other_code_that_joins_late_gets_no_data(cluster, tmp_path):
    cluster.worker("one")
    with distributed.Client(cluster.address, set_as_default=False) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: dict(cluster.outcomes(ENDLESS, tmp_path / "there")))
        wait(lambda: any(client.processing().values()), "the first task")
        cluster.worker("old", cwd=changed(tmp_path / "other"))  # others wait for it
        with pytest.raises(UserError, match=r"old has another version of recognition/networks/mnistnet\.py"):
            future.result()


def changed(folder: Path) -> Path:
    """This project with another line of code in mnistnet.py."""
    for package in ("recognition", "stages"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "recognition/networks/mnistnet.py").open("a") as file:
        file.write("CHANGED = True\n")
    return folder


@pytest.fixture
def stern(monkeypatch):
    """For a scheduler that gives a task up with the first worker that it kills."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")


@pytest.fixture
def logged():
    """What distributed says beside the one line."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]  # each has its own handlers
    for logger in loggers:
        logger.addHandler(handler)
    yield records
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def own(tmp_path) -> Iterator[Cluster]:
    """For a test that the scheduler does not outlive, or that wants another."""
    yield from started(tmp_path)


def test_a_task_that_kills_its_workers_is_one_line(stern, own, tmp_path, logged):
    only = own.worker("only")
    coming = own.outcomes(LONG, tmp_path / "there")
    next(coming)
    only.kill()
    with pytest.raises(UserError, match="worker after worker was killed"):
        dict(coming)
    assert not logged


def test_a_lost_scheduler_is_one_line(own, tmp_path, logged):
    own.worker("one")
    coming = own.outcomes(LONG, tmp_path / "there")
    next(coming)
    own.processes[0].kill()
    with pytest.raises(UserError, match="the scheduler was lost; the same command goes on when it is back"):
        dict(coming)
    assert not logged


@pytest.fixture
def certified(monkeypatch, tmp_path):
    """Certificates for everyone, where Dask's own configuration names them."""
    made = distributed.Security.temporary()
    names = {"CA_FILE": made.tls_ca_file}
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        names |= {f"{role}__CERT": made.tls_client_cert, f"{role}__KEY": made.tls_client_key}
    for name, content in names.items():
        (tmp_path / name).write_text(content)
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(tmp_path / name))
    dask.config.refresh()
    yield
    monkeypatch.undo()
    dask.config.refresh()


def test_a_scheduler_that_wants_certificates_is_shown_those_of_dasks_configuration(tmp_path, certified):
    with contextmanager(started)(tmp_path, "tls") as cluster:
        assert cluster.address.startswith("tls://")
        cluster.worker("one")
        assert dict(cluster.outcomes(WANTED[:2], tmp_path / "store")) == computed_here(tuple(WANTED[:2]))


def test_tls_without_certificates_is_one_line(cluster, tmp_path, monkeypatch):
    assert "ca-file, client.cert and client.key" in refused(cluster.address.replace("tcp", "tls"), tmp_path)
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", "/nowhere")
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT", "/nowhere")
    dask.config.refresh()
    try:
        assert "cannot be read" in refused(cluster.address.replace("tcp", "tls"), tmp_path)
    finally:
        monkeypatch.undo()
        dask.config.refresh()


def refused(address: str, folder: Path, device: str = "cpu") -> str:
    with pytest.raises(UserError) as caught:
        list(schedule.outcomes(WANTED, DATA, folder, device, None, address))
    assert "\n" not in str(caught.value) and address in str(caught.value)
    return str(caught.value)


def refused_within_ten_seconds(port: int, folder: Path) -> str:
    start = time.monotonic()
    said = refused(f"tcp://127.0.0.1:{port}", folder)
    assert time.monotonic() - start < 10
    return said


def test_no_scheduler_is_one_line_within_ten_seconds(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        assert "is a Dask scheduler running there?" in refused_within_ten_seconds(taken.getsockname()[1], tmp_path)


def test_something_else_at_that_port_is_one_line_within_ten_seconds(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "is a Dask scheduler running there?" in refused_within_ten_seconds(silent.getsockname()[1], tmp_path)


def test_a_scheduler_without_workers_is_one_line(cluster, tmp_path):
    assert "has no workers" in refused(cluster.address, tmp_path / "store")


def test_a_worker_with_other_code_is_refused(cluster, tmp_path):
    cluster.worker("old", cwd=changed(tmp_path / "other"))
    assert "old has another version of recognition/networks/mnistnet.py" in refused(cluster.address, tmp_path / "store")


def test_a_worker_that_computes_otherwise_is_refused(cluster, tmp_path, monkeypatch):
    here = fingerprints.machine("cpu")
    monkeypatch.setattr(fingerprints, "machine", lambda device: [*here[:-2], "kernels AVX512", here[-1]])
    cluster.worker("plain")
    assert "plain has kernels AVX2 where kernels AVX512 computes here" in refused(cluster.address, tmp_path / "store")
    if not torch.cuda.is_available():
        assert "plain has no GPU" in refused(cluster.address, tmp_path / "store", "cuda")


def test_a_worker_elsewhere_is_refused(cluster, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cluster.worker("lost", cwd=elsewhere)
    assert "start it in this project's folder" in refused(cluster.address, tmp_path / "store")
