"""What this machine lends this process: cores and memory, a container's limits included."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

PROCESS = Path("/proc/self")


def cores() -> int:
    """How many cores this process may use: the least of those that it may run on and of what its containers lend."""
    lent = [math.ceil(quota) for folder in groups("cpu") if (quota := cpu_quota(folder)) is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *lent]))


def memory() -> int:
    """Bytes: the least of the machine's memory and of what its containers lend."""
    lent = [limit for folder in groups("memory") if (limit := memory_limit(folder)) is not None]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *lent])


def groups(controller: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, of version 1 and 2, each followed by those above."""
    try:
        memberships = (PROCESS / "cgroup").read_text(encoding="utf-8").splitlines()
        mounts = (PROCESS / "mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    paths = {}  # by controller; version 2 has one for all, and names none
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for line in mounts:
        place, _, system = line.partition(" - ")
        root, mounted = place.split()[3:5]
        kind, _, options = system.split(" ", 2)
        name = {"cgroup2": "", "cgroup": controller}.get(kind)
        if name not in paths or (name and name not in options.split(",")):
            continue
        own = PurePosixPath(paths[name])
        inside = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()  # seen from another namespace
        yield from (Path(mounted) / part for part in (inside, *inside.parents))


def cpu_quota(folder: Path) -> float | None:
    """How many cores' time a control group may take, None where it is not limited."""
    with suppress(OSError, ValueError):  # "max", and a group without this controller
        quota, period = map(int, (folder / "cpu.max").read_text().split())
        return quota / period
    with suppress(OSError, ValueError):
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None
    return None


def memory_limit(folder: Path) -> int | None:
    """Bytes that a control group may hold, None where it is not limited."""
    for name in "memory.max", "memory.limit_in_bytes":
        with suppress(OSError, ValueError):
            return int((folder / name).read_text())
    return None
