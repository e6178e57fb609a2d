"""The original's whole budget: `python -m benchmarks.full` runs it and publishes what it gives in reports/full/.

An experiment beside the rest, with the stages, programs and seeds of the default run and SETTINGS in place of its
params. Five hours on two cores, and what is finished is kept: killed and called again, it goes on. In the end the
experiment's params, metrics, tables and figures lie in reports/full/, with what computed them and how long it took, all
sittings of this code together, also those with SETTINGS that were given up; `dvc repro report` tells them.
"""

import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from recognition.base import door, files, fingerprints, machine
from recognition.base.errors import UserError
from stages import CACHE

SETTINGS = [
    "sweep.epochs=10",
    "sweep.dropout=0.25",
    "sweep.recipe.weight_decay=0.05",
    "sweep.recipe.mirrored=true",
    "epochs.budgets=[5,20,40,50]",
    "epochs.seeds=[3,4,5]",
    "mobilenet.epochs=20",
    "mobilenet.image_size=48",  # reads 94.02 % of the held-out pictures, 28 reads 92.84 %; under one seed
    "mobilenet.recipe.mirrored=true",
]
PUBLISHED = Path("reports/full")
STAGES = ["sweep", "epochs", "mobilenet"]
FIGURES = ["fig14_sweep", "fig14_cost", "fig15_epochs", "fig16_mobilenet"]
COUNTED = 10.0  # seconds between two times that the time is written down


def main() -> None:
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise UserError("this clone is shallow, and of such DVC keeps no experiment; git fetch --unshallow")
    name = f"full-{time.strftime('%Y%m%d-%H%M%S')}"
    options = [option for setting in SETTINGS for option in ("-S", setting)]
    code = fingerprints.digest(repr(fingerprints.code("recognition/sweep/task.py")).encode())
    counter = CACHE / f"full-{code[:16]}.json"
    with counted(counter):
        if subprocess.run([sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name, *options]).returncode:
            raise UserError("the experiment did not end, see DVC's words above; make full goes on where it was")
    [commit] = git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").decode().split()
    publish(commit, counter)
    print(f"{PUBLISHED}/ has its numbers and figures; `dvc repro report` tells them")


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], check=True, stdout=subprocess.PIPE).stdout


@contextmanager
def counted(counter: Path) -> Iterator[None]:
    """Add the seconds that pass to this machine's in the file `counter`; killed, it lacks COUNTED at most."""
    found = json.loads(counter.read_text()) if counter.exists() else []
    seconds = {(one["processor"], one["cores"]): one["seconds"] for one in found}
    this = processor(), machine.cores()
    before, begun, over = seconds.get(this, 0), time.monotonic(), threading.Event()

    def write() -> None:
        seconds[this] = round(before + time.monotonic() - begun)
        machines = [{"processor": name, "cores": cores, "seconds": n} for (name, cores), n in seconds.items()]
        files.write_json(counter, machines)

    def count() -> None:
        while not over.wait(COUNTED):
            write()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        write()


def publish(commit: str, counter: Path) -> None:
    """Lay what a commit's stages have written, and what was counted, into PUBLISHED, in place of what is there."""
    paths = [f"reports/{stage}" for stage in STAGES] + [f"reports/figures/{name}.png" for name in FIGURES]
    with tempfile.TemporaryDirectory(dir=PUBLISHED.parent) as scratch:
        with tarfile.open(fileobj=BytesIO(git("archive", commit, "params.yaml", *paths))) as archive:
            archive.extractall(scratch, filter="data")
        found = Path(scratch, "reports")
        shutil.move(Path(scratch, "params.yaml"), found)
        files.write_bytes(found / "machines.json", counter.read_bytes())
        if PUBLISHED.exists():
            shutil.rmtree(PUBLISHED)
        shutil.move(found, PUBLISHED)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    door.run(main)
