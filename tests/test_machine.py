"""What a container lends: control groups of both versions, as files."""

import os

import pytest

from recognition.base import machine

GIGABYTE = 1 << 30


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Files of control groups in a mount of their own, and a process that is in /a/b."""
    monkeypatch.setattr(machine, "PROCESS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * GIGABYTE // 4096}.__getitem__)

    def lend(version: int, files: dict[str, str], root: str = "/") -> None:
        own = "0::/a/b" if version == 2 else "4:memory:/a/b\n3:cpu,cpuacct:/a/b\n1:name=systemd:/"
        kind = "cgroup2 cgroup rw" if version == 2 else "cgroup cgroup rw,cpu,cpuacct,memory"
        (tmp_path / "cgroup").write_text(own)
        (tmp_path / "mountinfo").write_text(
            f"22 1 0:20 / /proc rw - proc proc rw\n30 22 0:26 {root} {tmp_path / 'mount'} rw - {kind}\n"
        )
        for name, content in files.items():
            (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mount" / name).write_text(f"{content}\n")

    return lend


@pytest.mark.parametrize(
    ("version", "files", "cores", "memory"),
    [
        (2, {}, 64, 64),
        (2, {"a/b/cpu.max": "max 100000", "a/b/memory.max": "max"}, 64, 64),
        (2, {"a/b/cpu.max": "200000 100000", "a/b/memory.max": str(3 * GIGABYTE)}, 2, 3),
        (2, {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000", "memory.max": str(5 * GIGABYTE)}, 2, 5),
        (2, {"a/b/cpu.max": "10000 100000"}, 1, 64),
        (1, {"a/b/cpu.cfs_quota_us": "-1", "a/b/cpu.cfs_period_us": "100000"}, 64, 64),
        (1, {"a/b/cpu.cfs_quota_us": "400000", "a/b/cpu.cfs_period_us": "100000"}, 4, 64),
        (1, {"a/b/memory.limit_in_bytes": str(2 * GIGABYTE), "a/memory.limit_in_bytes": str(2**63 - 4096)}, 64, 2),
    ],
)
def test_the_least_of_what_a_machine_has_and_its_containers_lend_counts(container, version, files, cores, memory):
    container(version, files)
    assert (machine.cores(), machine.memory()) == (cores, memory * GIGABYTE)


def test_inside_a_container_its_own_group_is_what_is_mounted(container):
    container(2, {"cpu.max": "300000 100000"}, root="/a/b")
    assert machine.cores() == 3
    container(2, {"cpu.max": "200000 100000"}, root="/elsewhere")
    assert machine.cores() == 2


def test_where_nothing_is_said_the_machine_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "PROCESS", tmp_path / "none")
    assert machine.cores() == len(os.sched_getaffinity(0)) and machine.memory() > GIGABYTE
