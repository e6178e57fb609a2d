"""Programs, one per DVC stage, run as `python -m stages.NAME`, and what all of them begin with."""

import os
import re
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tqdm import tqdm

from recognition.base.determinism import pin_arithmetic
from recognition.base.errors import UserError

pin_arithmetic()

# What must outlive a killed stage, whose outs DVC deletes. DVC sets DVC_ROOT, in --temp and queue runs to the checkout.
CACHE = Path(os.environ.get("DVC_ROOT", ".")) / ".cache"
PINS = Path("requirements-numbers.txt")  # the packages that numbers depend on


def run(stage: Callable[[], None]) -> None:
    """Run a stage's main function; what a user can mend becomes one line on stderr and exit code 1."""
    try:
        check_packages(PINS)
        stage()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: nothing finished is lost, the same command goes on from here")
    except Exception as error:
        if reason := gpu_failure(error):
            sys.exit(f"error: {reason}")
        raise


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


def gpu_failure(error: Exception) -> str | None:
    """One line where an exception is the GPU's or its libraries', else None."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    said = next(iter(str(error).splitlines()), "")
    broken = isinstance(error, torch.AcceleratorError | torch.cuda.DeferredCudaCallError)
    cuda = broken or re.search("cuda|cudnn|cublas|nvidia|nvrtc", str(error), re.IGNORECASE)
    if isinstance(error, torch.OutOfMemoryError) or (cuda and "out of memory" in said):
        return (
            "the GPU's memory is full; a smaller batch_size in params.yaml takes less, in a sweep fewer workers, or "
            "device: cpu"
        )
    if cuda:
        return f"the GPU failed: {said[:200]}; device: cpu in params.yaml computes on the processor"
    return None


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
