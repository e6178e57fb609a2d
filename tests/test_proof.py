"""The heavy proof: `make prove`, some twenty minutes, weekly in the workflow, and not among the other tests.

Every moment, mutation and value is drawn by a seed. What was tried and what came of it is reports/proof.md.
"""

import contextlib
import copy
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_pipeline import BIN, ROOT, clone, run

pytestmark = pytest.mark.proof

MOMENTS = 87  # over the stages; with those of experiments, a queue and downloads 100
SECONDS: dict[str, float] = {}  # of each stage, alone
ROWS: dict[str, str] = {}  # what was tried, and what came of it
HEAD = """# What was tried on purpose, and what came of it

`make prove` writes this. Every moment and mutation is drawn by a seed; a line stands here only if all of it held.

| tried | came of it |
|---|---|
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
ENVIRONMENT |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
PASSING = {".git", ".dvc", ".cache", "__pycache__"}


# ---- killed and stopped


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, str, list[str]]:
    """A finished tiny study, committed; its lock; its files."""
    folder = clone(tmp_path_factory.mktemp("proof") / "study")
    SECONDS.update(seconds_of_stages(folder))
    run("git", "add", "-A", cwd=folder)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "finished", cwd=folder)
    return folder, (folder / "dvc.lock").read_text(), files(folder)


def seconds_of_stages(folder: Path) -> dict[str, float]:
    """`dvc repro`, and how long each stage takes, as DVC names one after the other."""
    begun: list[tuple[str, float]] = []
    with subprocess.Popen(
        ["dvc", "repro"], cwd=folder, env=ENVIRONMENT | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if named := re.match(r"Running stage '(.+)':", line):
                begun.append((named[1], time.monotonic()))
    assert process.returncode == 0
    ends = [*(at for _, at in begun[1:]), time.monotonic()]
    return {stage: end - at for (stage, at), end in zip(begun, ends, strict=True)}


@pytest.fixture(scope="module")
def places(study) -> list[Path]:
    """Three of the same study, for what is tried side by side: most of that is one process's start after another's."""
    folder, *_ = study
    return [folder, *(shutil.copytree(folder, folder.with_name(name), symlinks=True) for name in ("second", "third"))]


def side_by_side(places: list[Path], tried: Sequence, how: Callable[[Path, Any], None]) -> None:
    """Each thing that is to be tried, in one of the places."""

    def some(number: int) -> None:
        for one in tried[number :: len(places)]:
            how(places[number], one)

    with ThreadPoolExecutor(len(places)) as pool:
        for _ in pool.map(some, range(len(places))):
            pass


def files(folder: Path) -> list[str]:
    """Without what a killed writer leaves beside its file, which git and DVC ignore: see `strays`."""
    found = []
    for parent, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if name not in PASSING]
        found += [str(Path(parent, name).relative_to(folder)) for name in names if not name.endswith(".part")]
    return sorted(found)


def strays(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.part"))


def begin(folder: Path, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["env", "--default-signal=INT", *command],  # which a shell in the background has had ignored
        cwd=folder,
        env=ENVIRONMENT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def session(leader: int) -> dict[int, str]:
    """The processes of a session that are not dead, with their words."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def end(process: subprocess.Popen, how: signal.Signals, stage_alone: bool) -> None:
    """End it as a terminal or the system does, or the stage's own process alone; nothing of it may be left."""
    there = session(process.pid)
    own = [pid for pid, words in there.items() if " -m stages." in words and "multiprocessing" not in words]
    if stage_alone and own:
        with contextlib.suppress(ProcessLookupError):
            os.kill(own[-1], how)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
    _, said = process.communicate(timeout=120)
    deadline = time.monotonic() + 30
    while left := session(process.pid):
        assert time.monotonic() < deadline, f"{left} outlived it"
        time.sleep(0.05)
    ours = re.search(r'File "[^"]*/(recognition|stages)/', said)  # Python's own, before our first line, may be
    assert not ours, said[-3000:]


def repro(folder: Path, *stages: str) -> None:
    """`dvc repro`, and where DVC was killed while it wrote a file of its own, what README says of it."""
    for _ in range(4):
        done = subprocess.run(["dvc", "repro", *stages], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
        if "Unable to read RWLock-file" in done.stderr:
            (folder / ".dvc/tmp/rwlock").unlink()
        elif "dvc.lock' validation failed" in done.stderr or "dvc.lock' is invalid" in done.stderr:
            run("git", "checkout", "-q", "dvc.lock", cwd=folder)
        elif stages and run("git", "status", "--porcelain", "dvc.lock", cwd=folder).stdout:
            stages = ()  # it has forgotten other stages, too
        else:
            break
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def forget(folder: Path, stage: str) -> None:
    """What the stage has kept, so that it computes: another's, such as the downloads, stays."""
    for name in {"train": ["train"], "sweep": ["cells"], "epochs": ["cells"]}.get(stage.split("@")[0], [stage]):
        shutil.rmtree(folder / ".cache" / name.replace("@", "_"), ignore_errors=True)
    if stage.startswith("finetune"):
        shutil.rmtree(folder / ".cache" / "finetune", ignore_errors=True)


def as_it_was(folder: Path, locked: str, there: list[str], what: str) -> None:
    assert (folder / "dvc.lock").read_text() == locked, what
    assert run("git", "status", "--porcelain", cwd=folder).stdout == "", what
    assert files(folder) == there, what


def test_a_study_killed_or_stopped_at_any_moment_goes_on_to_the_same_bytes(study, places):
    folder, locked, there = study
    stages = list(yaml.safe_load(locked)["stages"])
    assert SECONDS.keys() == {*stages}
    draws = random.Random(0)
    hows = [(signal.SIGKILL, False), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGKILL, True)]
    moments = [(stage, *how) for stage in stages for how in hows]
    draws.shuffle(moments)
    moments += moments[: MOMENTS - len(moments)]
    after = [draws.uniform(0.2, 1.5 * SECONDS[stage]) for stage, *_ in moments]  # side by side they take longer

    def end_it(place: Path, number: int) -> None:
        stage, how, alone = moments[number]
        forget(place, stage)
        process = begin(place, "dvc", "repro", "--force", "--single-item", "--no-run-cache", stage)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after[number])
        what = f"moment {number}: {stage}, {how.name}{', the stage alone' if alone else ''}"
        end(process, how, alone)
        repro(place, stage)
        as_it_was(place, locked, there, what)

    side_by_side(places, range(len(moments)), end_it)
    assert "up to date" in run("dvc", "repro", cwd=folder).stdout
    run("dvc", "repro", "--force", "--no-run-cache", cwd=folder)  # what a killed writer left goes with the next one
    as_it_was(folder, locked, there, "all of it once more")
    assert not strays(folder)
    counts = Counter(f"{how.name}{' of the stage alone' if alone else ''}" for _, how, alone in moments)
    told = ", ".join(f"{n} {how}" for how, n in sorted(counts.items()))
    ROWS[
        f"{len(moments)} moments over the {len(stages)} stages of a tiny study: {told}; each followed by `dvc repro`"
    ] = (
        "the same dvc.lock, `git status` clean, no process and no lock left; in one of three studies, then made anew, "
        "no stray file"
    )


def test_a_lock_cut_anywhere_is_mended_as_readme_says(study):
    folder, locked, there = study
    draws = random.Random(3)
    places = [draws.randrange(len(locked)) for _ in range(8)]
    for place in places:
        (folder / "dvc.lock").write_text(locked[:place])
        repro(folder)
        as_it_was(folder, locked, there, f"the lock cut after {place} of {len(locked)} characters")
    ROWS[f"a dvc.lock cut at {len(places)} places, as DVC leaves it when it is killed while it writes"] = (
        "one or two commands that README names, and the study as it was"
    )


def test_experiments_and_a_queue_killed_at_any_moment_leave_the_study_as_it_was(study, places):
    folder, locked, there = study
    draws = random.Random(1)
    hows = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
    tried = [(how, moment) for how in hows for moment in (draws.uniform(1, 6), draws.uniform(3, 12))]

    def end_it(place: Path, number: int) -> None:
        how, moment = tried[number]
        process = begin(place, "dvc", "exp", "run", "--temp", "-S", f"finetune.seed={10 + number}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        end(process, how, stage_alone=False)
        if run("git", "status", "--porcelain", cwd=place).stdout == " M params.yaml\n":
            run("git", "checkout", "-q", "params.yaml", cwd=place)  # as README says
        repro(place)
        as_it_was(place, locked, there, f"{how.name} after {moment:.1f} s of an experiment")

    side_by_side(places, range(len(tried)), end_it)
    run("dvc", "exp", "run", "--queue", "-S", "finetune.seed=99", cwd=folder)
    run("dvc", "queue", "start", cwd=folder)
    time.sleep(draws.uniform(4, 8))
    run("dvc", "queue", "stop", "--kill", cwd=folder)
    run("dvc", "queue", "remove", "--all", cwd=folder)
    repro(folder)
    as_it_was(folder, locked, there, "a queue")
    ROWS[f"{len(tried)} experiments beside the work, killed or stopped, and a queue with its task killed"] = (
        "the study as it was, and nothing to do"
    )


def test_a_download_killed_at_any_moment_goes_on_to_the_same_bytes(study, places):
    _, locked, there = study
    draws = random.Random(2)
    tried = [(how, draws.uniform(1, 6)) for how in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM) * 2]

    def end_it(place: Path, one: tuple[signal.Signals, float]) -> None:
        how, moment = one
        shutil.rmtree(place / ".cache/download", ignore_errors=True)
        process = begin(place, "dvc", "repro", "--force", "--single-item", "--no-run-cache", "download@mnist")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        end(process, how, stage_alone=False)
        repro(place, "download@mnist")
        as_it_was(place, locked, there, f"a download, {how.name}")

    side_by_side(places, tried, end_it)
    ROWS[f"{len(tried)} downloads from the registry, with nothing kept, killed or stopped"] = (
        "the same bytes, nothing left"
    )


# ---- a full disk


UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


def test_a_full_disk_is_one_line_and_with_space_back_the_same_bytes(study, places):
    """The project's own folders for what a stage writes, on a disk of so many kilobytes."""
    _, locked, there = study
    tried = [
        ("download mnist", ".cache/download", 2000),
        ("train", "models", 100), ("train", "models", 400), ("train", ".cache/train", 64),
        ("train", "reports/train", 4), ("greek", "data/greek", 40),
        ("sweep", ".cache/cells", 64), ("sweep", "reports/sweep", 4),
        ("render", "reports/figures", 300), ("evaluate", "reports/evaluate", 4),
    ]  # fmt: skip

    def fill(folder: Path, what: tuple[str, str, int]) -> None:
        stage, place, kilobytes = what
        forget(folder, stage)
        before = strays(folder)
        small = f"mkdir -p {place} && mount -t tmpfs -o size={kilobytes}k none {place} && exec python -m stages.{stage}"
        done = subprocess.run(
            [*UNSHARE, "sh", "-c", small], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
        )
        said = [line for line in done.stderr.splitlines() if line.startswith(("error:", "Traceback"))]
        assert done.returncode == 1 and len(said) == 1, (stage, place, done.stderr[-2000:])
        assert "No space left on device; make room there" in said[0] and f"{place.split('/')[0]}" in said[0], said
        run("dvc", "repro", "--force", "--single-item", "--no-run-cache", stage.replace(" ", "@"), cwd=folder)
        as_it_was(folder, locked, there, f"{place} full")
        assert {*strays(folder)} <= {*before}

    side_by_side(places, tried, fill)
    ROWS[f"a full disk under {len(tried)} folders while a stage writes there"] = (
        "one line with the file; with space back the same bytes"
    )


# ---- pictures, checkpoints, params


WORKER = """
import json, sys, time
from pathlib import Path
import stages
from recognition.base.errors import UserError
{imports}
found = []
for path in sorted(Path(sys.argv[1]).iterdir()):
    begun = time.monotonic()
    try:
        {call}
        said = None
    except UserError as error:
        said = str(error)
    found.append([path.name, said, time.monotonic() - begun])
# Not getrusage: its maximum is inherited, from whatever the parent once held.
[most] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([found, int(most) * 1024]))
"""


def tried(folder: Path, imports: str, call: str) -> tuple[list, int]:
    """Each file's name, the line that refused it or None, and its seconds; the most bytes that were held."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER.format(imports=imports, call=call), folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr[-3000:]
    return json.loads(done.stdout)


def held(found: list, most: int) -> None:
    for name, said, seconds in found:
        assert seconds < 10, (name, seconds)
        assert said is None or (said.isprintable() and len(said) < 700), (name, said)
    assert most < 2 * 10**9, most


def mutated(content: bytes, draws: random.Random) -> bytes:
    changed = bytearray(content)
    match draws.randrange(5):
        case 0:
            for _ in range(draws.choice([1, 4, 64])):
                changed[draws.randrange(len(changed))] = draws.randrange(256)
        case 1:
            del changed[draws.randrange(len(changed)) :]
        case 2:
            at = draws.randrange(len(changed))
            changed[at:at] = draws.randbytes(draws.choice([1, 100, 5000]))
        case 3:
            for at in range(draws.randrange(4, 40), min(len(changed), 200), 7):  # the header
                changed[at] = draws.randrange(256)
        case 4:
            at = draws.randrange(len(changed))
            changed[at : at + 4] = draws.choice([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"])
    return bytes(changed)


def test_mutated_pictures(tmp_path):
    from PIL import Image

    digits = sorted((ROOT / "data/handwriting/digits").iterdir())
    draws = random.Random(3)
    kinds = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM", "ICO", "TGA"]
    for number in range(500):
        kind, content = kinds[number % len(kinds)], io.BytesIO()
        mode = draws.choice(["L", "RGB", "P", "1"] if kind in ("PNG", "GIF", "BMP", "TIFF") else ["L", "RGB"])
        Image.open(draws.choice(digits)).convert(mode).save(content, kind)
        (tmp_path / f"{number}.{kind.lower()}").write_bytes(mutated(content.getvalue(), draws))
    found, most = tried(tmp_path, "from recognition.ink.pictures import prepare", "prepare(path)")
    held(found, most)
    assert 100 < sum(said is None for _, said, _ in found) < 450
    ROWS[f"{len(found)} mutated pictures of {len(kinds)} formats"] = "read or one line; each under 10 s, at most 2 GB"


def test_gigantic_pictures(tmp_path):
    import numpy as np
    from PIL import Image

    grey = np.tile(np.arange(9999, dtype=np.uint32) % 251, (9999, 1))
    grey[4000:6000, 4000:6000] = 0
    Image.fromarray(grey.astype(np.uint8)).convert("RGBA").save(tmp_path / "a.png", compress_level=1)
    Image.fromarray(grey.astype(np.uint8)).convert("RGB").save(tmp_path / "b.jpg", progressive=True)
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "c.tif")
    Image.fromarray(grey.astype(np.uint16)).save(tmp_path / "d.png", compress_level=1)
    Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "e.tif")
    os.link(tmp_path / "a.png", tmp_path / "f.png")
    imports = "from recognition.ink.pictures import prepare_all"
    call = "[one] = prepare_all([path])\n        if isinstance(one, UserError): raise one"
    found, most = tried(tmp_path, imports, call)
    assert most < 2 * 10**9, most
    together = "prepare_all(sorted(path.parent.iterdir())) if path.name == 'a.png' else None"
    _, most = tried(tmp_path, imports, together)
    assert most < 2 * 10**9, most
    ROWS[f"{len(found)} pictures of 100 megapixels, one by one and side by side"] = "at most 2 GB"


def test_checkpoints(tmp_path):
    import test_checkpoints as checkpoints
    import torch

    path, draws = tmp_path / "x", random.Random(4)
    checkpoints.checkpoints.save(path, checkpoints.checkpoint())
    content = path.read_bytes()
    path.unlink()
    for number in range(100):
        (tmp_path / f"{number:03}").write_bytes(mutated(content, draws))
    for number, change in enumerate(checkpoints.WRONG.values()):
        torch.save(checkpoints.altered(**change), tmp_path / f"wrong-{number:02}")
    imports = "from recognition.training import checkpoints\nclasses = ['alpha', 'beta', 'gamma']"
    found, most = tried(tmp_path, imports, "assert checkpoints.load(path).classes == classes")
    held(found, most)
    assert all(said for name, said, _ in found if name.startswith("wrong"))
    ROWS[f"{len(found)} checkpoints, mutated or made wrong"] = "whole or one line; each under 10 s, at most 2 GB"


WRONGS = [None, "", "x" * 3000, "a\nb\x1b[2J", -1, 0, 10**12, 1.5, float("nan"), float("inf"), [], {"a": [1, {"b": 2}]}]


def test_every_param_with_every_wrong_value(tmp_path):
    from recognition.base.errors import UserError
    from recognition.base.params import load

    right = yaml.safe_load((ROOT / "params.yaml").read_text())
    leaves: list[list[str]] = []

    def walk(section: dict, path: list[str]) -> None:
        for key, value in section.items():
            walk(value, [*path, key]) if isinstance(value, dict) else leaves.append([*path, key])

    walk(right, [])
    place, refused = tmp_path / "params.yaml", 0
    for *sections, last in leaves:
        for wrong in WRONGS:
            values = copy.deepcopy(right)
            section = values
            for name in sections:
                section = section[name]
            section[last] = wrong
            place.write_text(yaml.safe_dump(values))
            try:
                load(place)  # some are right: 0 epochs are not, a seed of 0 is
            except UserError as error:
                assert str(error).isprintable() and len(str(error)) < 400 and last in str(error)
                refused += 1
    assert refused > 10 * len(leaves)
    ROWS[f"{len(leaves)} params with {len(WRONGS)} wrong values each"] = (
        f"{refused} refused in one line, the rest right"
    )


def test_the_table_is_written():
    """Last: only a whole proof is told."""
    wanted = [name for name in globals() if name.startswith("test_")][:-1]
    if len(ROWS) == len(wanted):
        rows = "".join(f"| {what} | {came} |\n" for what, came in ROWS.items())
        (ROOT / "reports/proof.md").write_text(HEAD + rows)
    assert len(ROWS) == len(wanted)
