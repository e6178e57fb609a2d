"""The pipeline as its users run it: `dvc repro` in a fresh clone, with a tiny training."""

import csv
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from recognition.sources.catalogue import DATASETS

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
DRAW = runpy.run_path(str(ROOT / "data" / "handwriting" / "draw.py"))
TINY = {
    "train": {"epochs": 2, "held_out": 30000, "batch_size": 250},
    "greek": {"source": "rendered", "timeout_s": 1.0, "hands": 3},  # for the test that asks what does not answer
    "all_layers": {"epochs": 2, "pictures": 100},
    "signs": {"digits": 300},
    "sweep": {"kernel_sizes": [5], "filters": [5], "noise_seeds": [3, 4], "held_out": 55000},
    "epochs": {"budgets": [1, 2]},
    "mobilenet": {"weights": "none", "pictures": 512, "epochs": 1, "held_out": 500},
}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# What such a run has no use for: `rendered` asks no folder, there are no signs, letters are learned without digits, and
# the original's whole budget may not have been run.
IDLE = {
    ("greek", "data/handwriting/greek"),
    ("finetune@signs", "data/handwriting/signs"),
    *((f"finetune@{study}", "data/mnist") for study in STAGES["finetune"]["foreach"]),
    *([] if (ROOT / "reports/full/params.yaml").exists() else [("report", "reports/full")]),
}


# As sitecustomize.py, which Python runs first of all: notes which files a stage, or a process that it starts, opens.
RECORDER = """
import os
import sys

match sys.orig_argv[1:]:
    case ["-m", module, *item] if module.startswith("stages."):
        os.environ["STAGE"] = "@".join([module.removeprefix("stages."), *item])
stage, log = os.environ.get("STAGE"), os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event, arguments):
    for place in arguments[: {"open": 1, "os.rename": 2, "os.link": 2, "os.symlink": 2}.get(event, 0)]:
        if not isinstance(place, int):
            os.write(log, f"{stage}\\t{os.path.abspath(os.fsdecode(place))}\\n".encode())


if stage:
    sys.addaudithook(note)
"""


def run(*command, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    """A command with this environment's programs, and `more` in its environment; it has to end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
    environment |= {"PATH": f"{BIN}{os.pathsep}{environment['PATH']}"} | more
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def written_by_a_stage(name: str) -> bool:
    return name == "dvc.lock" or (name.startswith("reports/") and not name.startswith("reports/full/"))


def clone(folder: Path) -> Path:
    """A clone of this tree as it is, with a tiny training, and its store holds the downloads of this tree."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).exists() and not written_by_a_stage(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = (folder / "params.yaml").read_text()
    values = yaml.safe_load(params)
    for name, changes in TINY.items():
        (values["finetune"] if name in ("all_layers", "signs") else values)[name] |= changes
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    store = folder / ".cache" / "download"
    store.mkdir(parents=True)
    for name, dataset in DATASETS.items():
        for file in dataset.files:
            here = ROOT / "data" / name / dataset.folder / file.name
            assert here.exists(), "no downloads: run `dvc repro download` first, as `make test` does"
            shutil.copy2(here, store / file.sha256)
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "start", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("finished")
    folder = clone(place / "clone")
    (place / "sitecustomize.py").write_text(RECORDER)
    run("dvc", "repro", cwd=folder, PYTHONPATH=str(place), OPENED=str(place / "opened"))
    return folder


def opened(folder: Path) -> dict[str, set[Path]]:
    """Which files of the clone the stages have opened, by their names.

    Compiled code counts as its source, and what is written under a passing name as what it becomes.
    """
    found: dict[str, set[Path]] = {}
    for line in (folder.parent / "opened").read_text().splitlines():
        stage, path = line.split("\t")
        path = re.sub(r"/__pycache__/(\w+)\.[\w-]+\.pyc[.\d]*$", r"/\1.py", path)
        path = Path(re.sub(r"/\.([^/]+)\.\d+\.part$", r"/\1", path))
        if path.is_relative_to(folder):
            found.setdefault(stage, set()).add(path.relative_to(folder))
    return found


def declared(stage: str) -> set[str]:
    """The deps and outs of a stage, one of its matrix or of what stands under its foreach, in dvc.yaml."""
    name, _, item = stage.partition("@")
    each = STAGES[name].get("foreach", {}).get(item, "")
    text = re.sub(r"\$\{(item\.\w+|key)\}", item, (ROOT / "dvc.yaml").read_text()).replace("${item}", each)
    definition = yaml.safe_load(text)["stages"][name]
    definition = definition.get("do", definition)
    places = [place for kind in ("deps", "outs", "metrics", "plots") for place in definition.get(kind, [])]
    return {next(iter(place)) if isinstance(place, dict) else place for place in places}


def test_what_a_stage_opens_is_what_dvc_knows_of(finished):
    """No file less than dvc.yaml says, and none more but what each stage has: its params, its store, its libraries."""
    everyones = {"params.yaml", ".cache", "recognition/__init__.py"}
    pins = {"requirements-numbers.txt"}  # read by every stage, and those that compute run again when they change
    unknown, untouched = set(), set()
    for stage, paths in opened(finished).items():
        known = declared(stage) | (pins if stage.split("@")[0] in ("download", "backbone") else set())
        unknown |= {(stage, str(path)) for path in paths if not any(map(path.is_relative_to, known | everyones))}
        idle = {place for place in known - everyones if not any(path.is_relative_to(place) for path in paths)}
        untouched |= {(stage, place) for place in idle}
    assert {stage.split("@")[0] for stage in opened(finished)} == set(STAGES)
    assert (unknown, untouched) == (set(), IDLE)


def test_everything_is_there_and_nothing_is_left_to_do(finished):
    assert "up to date" in run("dvc", "status", cwd=finished).stdout
    again = run("dvc", "repro", cwd=finished).stdout
    assert "Running stage" not in again and "up to date" in again
    pictures = {path.name for path in (finished / "reports/figures").iterdir()}
    assert {f"fig{n:02}" for n in (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)} <= {name[:5] for name in pictures}


def test_git_holds_the_reports_and_ignores_data_models_and_the_page(finished):
    changed = run("git", "status", "--porcelain", "--untracked-files=all", cwd=finished).stdout.split("\n")
    paths = {line[3:] for line in changed if line}
    assert "reports/report.md" in paths and all(path.startswith("reports/") or path == "dvc.lock" for path in paths)
    assert "reports/report.html" not in paths and (finished / "reports/report.html").exists()


def test_the_metrics_have_their_names(finished):
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=finished).stdout)[""]["data"]
    metrics = {key: value for file in shown.values() for key, value in file["data"].items()}
    studies = {
        "train",
        "mnist",
        "letters",
        "greek",
        "greek_extended",
        "signs",
        "handwriting",
        "sweep",
        "epochs",
        "mobilenet",
    }
    assert studies <= set(metrics)
    assert metrics["mnist"]["n"] == 10000 and metrics["handwriting"]["digits"]["n"] == 10
    mnist = metrics["mnist"]
    assert mnist["clothes_known"] < 0.1 < 0.95 < mnist["known"] < 1
    assert 0.9 < mnist["test_accuracy_low"] <= mnist["test_accuracy"] <= mnist["test_accuracy_high"] < 0.995


def test_dvc_can_draw_the_plots(finished):
    run("dvc", "plots", "show", "-o", "page", cwd=finished)
    page = (finished / "page" / "index.html").read_text()
    files = ["epochs.csv", "steps.csv", "classes.csv", "readings.csv", "fig10_filters.png", "budgets.csv"]
    titles = ["confusion of the ten digits", "sweep, loss against cost", "sweep, mean accuracy", "loss of mnistNet"]
    assert all(name in page for name in [*files, *titles])
    shutil.rmtree(finished / "page")


def test_metrics_are_those_of_studies_not_of_each_network(finished):
    """`dvc exp show` has a column for each."""
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=finished).stdout)[""]["data"]

    def count(value) -> int:
        return sum(map(count, value.values())) if isinstance(value, dict) else 1

    assert sum(count(file["data"]) for file in shown.values()) < 120


def lock(folder: Path) -> dict[str, dict]:
    return yaml.safe_load((folder / "dvc.lock").read_text())["stages"]


def test_killed_in_the_middle_it_goes_on_and_another_clone_has_the_same_bytes(finished, tmp_path):
    """Two clones, one killed hard during its training: the same entries in dvc.lock, which hold every output's hash."""
    folder = clone(tmp_path / "clone")
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["dvc", "repro", "evaluate"],
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kept, deadline = folder / ".cache" / "train", time.monotonic() + 120
    while not (kept.exists() and any(not p.name.startswith(".") for p in kept.iterdir())):
        assert process.poll() is None and time.monotonic() < deadline, "the first epoch never ended"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "models/train/checkpoint.pth").exists()
    run("dvc", "repro", "evaluate", cwd=folder)
    assert set(lock(folder)) == {"download@mnist", "download@fashion_mnist", "train", "evaluate"}
    assert all(lock(finished)[stage] == entry for stage, entry in lock(folder).items())


def test_a_wrong_parameter_stops_before_any_work_in_one_line(finished):
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    params = finished / "params.yaml"
    right = params.read_text()
    try:
        params.write_text(right.replace("epochs: 2", "epochs: abc"))
        done = subprocess.run(
            [BIN / "python", "-m", "stages.train"], cwd=finished, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "error: params.yaml: train.epochs: input should be a valid integer, not 'abc'"
        ]
    finally:
        params.write_text(right)


def test_without_pictures_and_with_unreadable_ones_it_just_works(finished):
    digits = finished / "data/handwriting/digits"
    kept = finished / "kept"
    shutil.move(digits, kept)
    try:
        run("dvc", "repro", cwd=finished)
        metrics = json.loads((finished / "reports/recognise/metrics.json").read_text())["handwriting"]["digits"]
        assert metrics == {"n": 0, "unknown": 0, "unlabelled": 0, "unreadable": 0}
        run("dvc", "plots", "show", "-o", "page", cwd=finished)
        shutil.rmtree(finished / "page")

        digits.mkdir()
        (digits / "4.png").write_text("no picture")
        (digits / "holiday.png").write_bytes((kept / "5.png").read_bytes())
        (digits / "7_anna.png").write_bytes((kept / "7.png").read_bytes())
        done = run("dvc", "repro", "recognise", cwd=finished)
        metrics = json.loads((finished / "reports/recognise/metrics.json").read_text())["handwriting"]["digits"]
        assert (metrics["n"], metrics["unlabelled"], metrics["unreadable"]) == (1, 1, 1)
        assert "left out: data/handwriting/digits/4.png" in done.stderr + done.stdout
    finally:
        shutil.rmtree(digits, ignore_errors=True)
        shutil.move(kept, digits)


def test_own_letters_are_learned_from_or_read_as_the_source_says(finished):
    """Under `auto` the user's letters are trained on, all but those held out; under `rendered` all of them are read."""
    greek, params = finished / "data/handwriting/greek", finished / "params.yaml"
    right = params.read_text()
    for path in sorted((finished / "data/greek").glob("*/stixgeneral*.png")):
        if path.parent.name in ("alpha", "beta", "gamma", "chi"):
            (greek / path.parent.name).mkdir(exist_ok=True)
            shutil.copy2(path, greek / path.parent.name / path.name)

    def own_letters() -> tuple[dict, list[dict], str]:
        done = run("dvc", "repro", "recognise", cwd=finished)
        metrics = json.loads((finished / "reports/recognise/metrics.json").read_text())["handwriting"]["greek"]
        return metrics, table(finished / "reports/recognise/letters.csv"), done.stdout + done.stderr

    try:
        metrics, rows, said = own_letters()
        assert (metrics["n"], metrics["learned"], metrics["left_out"]) == (12, 0, 4)
        assert {row["network"] for row in rows} == {"greek"} and "no network knows chi" in said
        assert metrics["accuracy"] == round(sum(row["label"] == row["prediction"] for row in rows) / 12, 6)

        params.write_text(right.replace("source: rendered", "source: auto"))
        metrics, rows, said = own_letters()
        assert (metrics["n"], metrics["learned"], metrics["left_out"]) == (3, 9, 4)  # one hand of four is held out
        sources = {row["letter"]: row["source"] for row in table(finished / "data/greek/letters.csv")}
        assert {name for name, source in sources.items() if source == "folder"} == {"alpha", "beta", "gamma", "chi"}

        (greek / "alfa").mkdir()
        (greek / "alfa" / "1.png").write_bytes((greek / "beta" / "stixgeneral.png").read_bytes())
        failed = subprocess.run(
            [BIN / "python", "-m", "stages.greek"], cwd=finished, capture_output=True, text=True, check=False
        )
        assert failed.returncode == 1 and "alfa/1.png" in failed.stderr.splitlines()[-1]
    finally:
        params.write_text(right)
        for folder in greek.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)


def test_what_is_written_on_a_sheet_is_collected_learned_and_read(finished):
    """The README's loop, with a sign that no data set has; without one, what it knows is the digits. What is read is
    another sheet than what was learned from."""
    metrics, model = finished / "reports/finetune/signs/metrics.json", "models/finetune/signs/all_layers.pth"
    assert json.loads(metrics.read_text()) == {"signs": {"train_n": 0, "names": ""}}
    assert (finished / model).read_bytes() == (finished / "models/train/checkpoint.pth").read_bytes()
    signs = finished / "data/handwriting/signs"
    sheet = Image.new("L", (1000, 400), 220)
    for n in range(10):
        x, y, r = 100 + 180 * (n % 5), 100 + 200 * (n // 5), 30 + n
        ImageDraw.Draw(sheet).line([(x - r, y + n), (x + r, y - n)], 20, 8)
        ImageDraw.Draw(sheet).line([(x - n, y - r), (x + n, y + r)], 20, 8)
    sheet.save(finished / ".cache/sheet.png")
    plus = Image.new("L", (400, 400))
    ImageDraw.Draw(plus).line([(130, 190), (280, 205)], 255, 15)
    ImageDraw.Draw(plus).line([(212, 130), (200, 270)], 255, 15)
    eight, three = (DRAW["ink"](name, np.random.default_rng(100)) for name in "83")
    another = 220 * (1 - 0.8 * np.hstack([eight, np.asarray(plus) / 255, three]))
    Image.fromarray(another.astype(np.uint8)).save(finished / ".cache/another.png")
    try:
        collected = run("python", "-m", "recognition", "collect", ".cache/sheet.png", "--as", "+", cwd=finished)
        assert collected.stdout.splitlines()[0] == "10 pictures: 10 in data/handwriting/signs/+"
        ran = run("dvc", "repro", cwd=finished)
        assert set(re.findall("Running stage '(.*)'", ran.stdout)) == {
            "finetune@signs",
            "recognise",
            "render",
            "report",
        }
        found = json.loads(metrics.read_text())["signs"]
        assert (found["train_n"], found["names"], found["all_layers"]["n"]) == (8, "+", 2)
        assert found["digits"]["n"] == 10000 and found["digits"]["accuracy"] > 0.8
        assert "The user's own signs, +, were learned from 8 pictures with 300 of each digit" in (
            finished / "reports/report.md"
        ).read_text().replace("\\+", "+")
        text = run("python", "-m", "recognition", "read", ".cache/another.png", "--model", model, cwd=finished).stdout
        assert text == "8+3\n"
        assert "up to date" in run("dvc", "status", cwd=finished).stdout
    finally:
        shutil.rmtree(signs / "+")
        run("dvc", "repro", cwd=finished)
    assert json.loads(metrics.read_text())["signs"]["train_n"] == 0


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
