"""Programs, one per DVC stage, run as `python -m stages.NAME`, and what all of them begin with."""

import sys

from recognition.base import door
from recognition.base.determinism import pin_arithmetic

if "multiprocessing.spawn" in sys.modules:
    door.begin(worker=True)
elif sys.argv[0] in ("-m", "-c"):  # a program, whose imports are to come, not one that has begun
    door.begin()
pin_arithmetic()

import os
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from recognition.base.errors import UserError, one_line

# What must outlive a killed stage, whose outs DVC deletes. DVC sets DVC_ROOT, in --temp and queue runs to the checkout.
CACHE = Path(os.environ.get("DVC_ROOT", ".")) / ".cache"
PINS = Path("requirements-numbers.txt")  # the packages that numbers depend on


def run(stage: Callable[[], None], takes_less: str = door.LESS_BESIDE) -> None:
    """Run a stage's main function; what a user can mend becomes one line on stderr and exit code 1."""

    def checked() -> None:
        check_packages(PINS)
        stage()

    door.run(checked, takes_less)


def check_packages(pins: Path) -> None:
    """Raise UserError where a package of `pins` is not installed as it is pinned there: NAME==VERSION, one a line."""
    try:
        lines = pins.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{pins}: no such file here; run stages in the project's own folder") from None
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        if not (pin := re.fullmatch(r"([\w.-]+)==([\w.]+)", line)):
            raise UserError(f"{pins}: {line} is not NAME==VERSION")
        name, pinned = pin.groups()
        try:
            installed = version(name).partition("+")[0]  # without the kind of build, such as +cpu
        except PackageNotFoundError:
            installed = None
        if installed != pinned:
            there = f"{name} {installed} is" if installed else f"no {name} is"
            raise UserError(f"{there} installed, {pins} pins {pinned}; pip install -r requirements.txt")


def left_out(failures: list[str]) -> None:
    """Say on stderr what a stage cannot use."""
    for failure in failures:
        print(f"left out: {one_line(failure)}", file=sys.stderr)


def progress(unit: str, total: int | None = None, description: str = "", leave: bool = True) -> tqdm:
    """A bar with the time left, on stderr; outside a terminal, a line now and then. It stays at the end if `leave`."""
    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(desc=description, total=total, unit=unit, unit_scale=True, mininterval=interval, leave=leave)


def show(bar: tqdm, whose: str, done: int, total: int | None) -> None:
    """Set a bar to `done` of `total` (None: unknown) from `whose` source; each source begins it anew."""
    if bar.total != total or done < bar.n:
        bar.reset()
        bar.total = total
    bar.set_description_str(whose, refresh=False)
    bar.update(done - bar.n)
