"""Programs, one per DVC stage, run as `python -m stages.NAME`. Every stage passes this door first."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from recognition.base.determinism import pin_arithmetic
from recognition.base.errors import UserError

pin_arithmetic()

# What must outlive a killed stage, whose outs DVC deletes. DVC sets DVC_ROOT, in --temp and queue runs to the checkout.
CACHE = Path(os.environ.get("DVC_ROOT", ".")) / ".cache"


def run(stage: Callable[[], None]) -> None:
    """Run a stage's main function; what a user can mend becomes one line on stderr and exit code 1."""
    try:
        stage()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: nothing finished is lost, the same command goes on from here")


def progress(unit: str, total: int | None = None, description: str = "", leave: bool = True) -> tqdm:
    """A bar with the time left, on stderr; outside a terminal, a line now and then. It stays at the end if `leave`."""
    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(desc=description, total=total, unit=unit, unit_scale=True, mininterval=interval, leave=leave)
