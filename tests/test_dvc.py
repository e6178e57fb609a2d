"""DVC's whole promise, as its users take it up: experiments, queues, comparisons, remotes, other projects.

In clones whose stages are stand-ins: each digests what dvc.yaml says that it reads, and writes the digest into what
dvc.yaml says that it writes. What comes from outside is always the same. So this is a test of dvc.yaml; that the real
stages keep to it is tested elsewhere.
"""

import csv
import json
import re
import shutil
import time
from functools import reduce
from itertools import pairwise
from pathlib import Path

import networkx
import pytest
import yaml
from dvc.repo import Repo
from test_pipeline import ROOT, run, written_by_a_stage

STAND_IN = """
import hashlib, json, os, sys
from pathlib import Path

import yaml

name, item = Path(__file__).stem, "".join(sys.argv[1:])
text = Path("dvc.yaml").read_text().replace("${key}", item).replace("${item.dataset}", item)
stages = {one: definition.get("do", definition) for one, definition in yaml.safe_load(text)["stages"].items()}
stage = stages[name]
values = []
for param in stage.get("params", []):
    value = yaml.safe_load(Path("params.yaml").read_text())
    for key in param.split("."):
        value = value[key]
    values.append(value)
each = yaml.safe_load(text)["stages"][name].get("foreach", {}).get(item, "")
deps = [dep.replace("${item}", each) for dep in stage["deps"]]
inputs = [Path(dep) for dep in deps if dep.startswith(("data/", "models/", "reports/"))]
files = [file for place in inputs for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
contents = [file.read_bytes() for file in files if file.is_file()]
digest = hashlib.sha256(repr((values, contents) if inputs else name).encode()).hexdigest()
number = int(digest[:6], 16) / 2**24
for out in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
    path, settings = (out, {}) if isinstance(out, str) else next(iter(out.items()))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps({f"{name}{item}": {"accuracy": round(number, 6)}}))
    elif path.suffix == ".csv":
        drawn = [plot for one in yaml.safe_load(text)["plots"] for plot in one.values()]
        ys = {settings["y"], *(y for plot in drawn for y in plot["y"].get(str(path), []))}
        lines = [[settings["x"], *sorted(ys)], *([k, *[f"{number / k:.6f}"] * len(ys)] for k in (1, 2))]
        path.write_text("".join(",".join(map(str, line)) + "\\n" for line in lines))
    elif path.suffix:
        path.write_text(digest)
    else:
        path.mkdir(exist_ok=True)
        read = {dep for other in stages.values() for dep in other["deps"]}
        for file in [path / "file.txt", *(Path(dep) for dep in read if dep.startswith(f"{path}/"))]:
            file.write_text(digest)
log = Path(os.environ["DVC_ROOT"], ".cache", "log")
log.parent.mkdir(exist_ok=True)
with log.open("a") as file:
    file.write(f"{name}@{item}\\n" if item else f"{name}\\n")
"""
DEFINITION = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PIPELINE, ARTIFACTS = DEFINITION["stages"], DEFINITION["artifacts"]
LETTERS = {"finetune@greek", "finetune@greek_extended"}
LEARNED = {*LETTERS, "finetune@signs"}
TOLD = {"render", "report"}
# One param of every section, and everything that is to run again for it. Twice where a section has two kinds.
AGAIN = {
    "download.timeout_s=31": {"download@mnist", "download@fashion_mnist", "backbone"},
    "greek.seed=4": {"greek", *LETTERS, "recognise", *TOLD},
    "train.epochs=2": {"train", "evaluate", *LEARNED, "recognise", *TOLD},
    "finetune.seed=4": {*LEARNED, "recognise", *TOLD},
    "finetune.greek.epochs=41": {"finetune@greek", "recognise", *TOLD},
    "finetune.signs.digits=301": {"finetune@signs", "report"},
    "sweep.epochs=2": {"sweep", "epochs", *TOLD},
    "sweep.workers=1": set(),
    "sweep.filters=[5,10]": {"sweep", "epochs", *TOLD},
    "epochs.budgets=[1,2]": {"epochs", *TOLD},
    "mobilenet.epochs=1": {"mobilenet", *TOLD},
    "mobilenet.weights=none": {"backbone"},
}
IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@example.org"]


def dvc(folder: Path, *command: str) -> str:
    return run("dvc", *command, cwd=folder).stdout


def commit(folder: Path, words: str) -> None:
    run("git", "add", "-A", cwd=folder)
    run("git", *IDENTITY, "commit", "-qm", words, cwd=folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, list[str]]:
    """A finished study, committed, and what ran for it."""
    folder = tmp_path_factory.mktemp("dvc") / "study"
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).exists() and not name.startswith("tests/") and not written_by_a_stage(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
            if re.fullmatch(r"stages/[a-z]\w*\.py", name):
                (folder / name).write_text(STAND_IN)
    run("git", "init", "-q", "-b", "main", cwd=folder)
    commit(folder, "start")
    dvc(folder, "repro")
    commit(folder, "finished")
    return folder, executed(folder)


@pytest.fixture
def study(built) -> Path:
    return built[0]


def executed(folder: Path) -> list[str]:
    """The stages that have run since this was asked last."""
    log = folder / ".cache" / "log"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def test_everything_runs_once_and_what_is_quick_comes_first(built):
    study, ran = built
    executed(study)
    assert len(ran) == len(set(ran)) and {name.split("@")[0] for name in ran} == set(PIPELINE)
    assert dvc(study, "repro").count("didn't change, skipping") == len(ran) and not executed(study)
    slow = ran.index("sweep")
    assert {"train", "evaluate", "recognise", "finetune@greek"} <= set(ran[:slow])


def test_what_other_systems_leave_in_folders_is_no_reason_to_run(study):
    digits = study / "data/handwriting/digits"
    left = [digits / name for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._7.png")]
    try:
        for path in left:
            path.touch()
        assert "up to date" in dvc(study, "status")
    finally:
        for path in left:
            path.unlink()


@pytest.mark.parametrize("change", ["finetune.greek.epochs=41", "mobilenet.weights=none"])
def test_an_experiment_runs_exactly_what_its_param_concerns(study, change):
    executed(study)
    dvc(study, "exp", "run", "--temp", "-S", change)
    ran = executed(study)
    assert set(ran) == AGAIN[change] and len(ran) == len(set(ran))
    assert run("git", "status", "--porcelain", cwd=study).stdout == ""  # beside the workspace


@pytest.fixture(scope="module")
def definition(built, tmp_path_factory) -> Path:
    """What DVC knows of the finished study, alone in a folder."""
    folder = tmp_path_factory.mktemp("definition")
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy2(built[0] / name, folder / name)
    Repo.init(str(folder), no_scm=True).close()
    return folder


@pytest.mark.parametrize("change", AGAIN)
def test_the_graph_says_so_of_every_param(definition, built, change):
    """A stage runs again where a param of its own has changed or what another stage makes of it, and what is downloaded
    is always the same: DVC keeps to that in the experiments above."""
    key, value = change.split("=")
    *sections, last = key.split(".")
    values = yaml.safe_load((built[0] / "params.yaml").read_text())
    reduce(dict.get, sections, values)[last] = yaml.safe_load(value)
    (definition / "params.yaml").write_text(yaml.safe_dump(values))
    with Repo(str(definition)) as repo:
        graph = repo.index.graph  # its arrows lead to what a stage needs
        changed = {stage for stage in graph if any(param.status() for param in stage.params)}
    making = [stage for stage in changed if stage.name.split("@")[0] not in ("download", "backbone")]
    again = changed.union(*(networkx.ancestors(graph, stage) for stage in making))
    assert {stage.name for stage in again} == AGAIN[change]


def test_every_section_is_in_that_table():
    assert {change.split(".")[0] for change in AGAIN} == set(yaml.safe_load((ROOT / "params.yaml").read_text()))


def test_a_queue_of_three_with_two_workers(study, monkeypatch):
    for seed in "567":
        dvc(study, "exp", "run", "--queue", "--name", f"seed-{seed}", "-S", f"finetune.seed={seed}")
    dvc(study, "queue", "start", "-j", "2")
    deadline = time.monotonic() + 600
    while (status := dvc(study, "queue", "status")).count("Success") < 3:
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(1)
    shown = {row["Experiment"]: row for row in csv.DictReader(dvc(study, "exp", "show", "--csv").splitlines())}
    assert len({shown[f"seed-{seed}"]["finetunegreek.accuracy"] for seed in "567"}) == 3
    assert [shown[f"seed-{seed}"]["finetune.seed"] for seed in "567"] == ["5", "6", "7"]

    monkeypatch.setenv("COLUMNS", "120")  # a table is cut there
    wanted = ["seed-5", "seed-6", "seed-7", "finetune.seed", "finetunegreek.accuracy"]
    kept = "Experiment|finetune.seed|finetunegreek.accuracy"
    table = dvc(study, "exp", "show", "--drop", ".*", "--keep", kept, "--no-pager")
    assert all(word in table for word in wanted)
    dvc(study, "exp", "remove", "--keep", *wanted[:3])  # others have other params, a column each
    monkeypatch.setenv("COLUMNS", "200")  # each study's losses change, too
    table = dvc(study, "exp", "show", "--only-changed", "--drop", ".*/.*|Created|State|Executor", "--no-pager")
    assert all(word in table for word in wanted)

    dvc(study, "exp", "apply", "seed-6")
    try:
        assert yaml.safe_load((study / "params.yaml").read_text())["finetune"]["seed"] == 6
        executed(study)
        dvc(study, "repro")
        assert not executed(study)  # what was applied is finished
        value = float(shown["seed-6"]["finetunegreek.accuracy"])
        change = json.loads(dvc(study, "metrics", "diff", "--json"))["reports/finetune/greek/metrics.json"]
        assert change["finetunegreek.accuracy"]["new"] == pytest.approx(value)
    finally:
        run("git", "checkout", "-q", "--", ".", cwd=study)
        dvc(study, "checkout")


@pytest.fixture(scope="module")
def remote(built, tmp_path_factory) -> Path:
    """A git remote and a DVC remote, and a second commit with other params."""
    study, _ = built
    place = tmp_path_factory.mktemp("remote")
    folder = place / "one"
    run("git", "clone", "-q", str(study), str(folder), cwd=place)
    dvc(folder, "remote", "add", "-d", "shared", str(place / "store"))
    run("dvc", "config", "--local", "cache.dir", str(study / ".dvc" / "cache"), cwd=folder)
    dvc(folder, "checkout")
    commit(folder, "remote")
    dvc(folder, "exp", "run", "-S", "train.seed=9")
    commit(folder, "seed 9")
    dvc(folder, "push")
    for name in ARTIFACTS:
        run("git", *IDENTITY, "tag", "-am", name, f"{name}@v1.0.0", cwd=folder)
    run("git", "clone", "-q", "--bare", str(folder), str(place / "repository.git"), cwd=place)
    return place / "repository.git"


@pytest.fixture
def mate(remote, tmp_path) -> Path:
    """A teammate's new clone."""
    run("git", "clone", "-q", str(remote), str(tmp_path / "mate"), cwd=tmp_path)
    return tmp_path / "mate"


def test_a_teammate_pulls_and_has_nothing_to_run(mate):
    dvc(mate, "pull")
    assert "up to date" in dvc(mate, "repro") and not executed(mate)
    assert run("git", "status", "--porcelain", cwd=mate).stdout == ""


def test_a_teammate_who_changes_a_param_fetches_what_that_needs(mate):
    params = mate / "params.yaml"
    params.write_text(re.sub(r"(?<=^finetune:  )(.*\n  seed: )3", r"\g<1>8", params.read_text(), flags=re.MULTILINE))
    assert yaml.safe_load(params.read_text())["finetune"]["seed"] == 8
    dvc(mate, "repro", "--pull", "--allow-missing")
    assert set(executed(mate)) == AGAIN["finetune.seed=4"]
    assert (mate / "models/train/checkpoint.pth").exists() and (mate / "data/greek").exists()
    for not_needed in ("models/train/checkpoint_best.pth", "models/mobilenet", "data/mobilenet"):
        assert not (mate / not_needed).exists(), not_needed


def test_commits_are_compared(mate):
    changes = json.loads(dvc(mate, "metrics", "diff", "--json", "HEAD~1", "HEAD"))
    assert dvc(mate, "metrics", "diff", "--md", "HEAD~1").startswith("| Path ")  # as the workflow posts it
    assert {Path(path).parts[1] for path in changes} == {"train", "evaluate", "finetune", "recognise"}
    dvc(mate, "plots", "diff", "HEAD~1", "HEAD", "-o", "page")
    page = (mate / "page/index.html").read_text()
    shown = ["loss of mnistNet", "readings.csv", "confusion of the ten digits"]
    assert all(name in page for name in shown) and all(f'"rev": "{rev}"' in page for rev in ("HEAD~1", "HEAD"))


def test_another_project_gets_the_recognisers(remote, mate, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name, artifact in ARTIFACTS.items():
        path = artifact["path"]
        run("dvc", "artifacts", "get", str(remote), name, "-o", f"{name}.pth", cwd=other)
        run("dvc", "get", str(remote), path, "-o", "by_path.pth", "--force", cwd=other)
        dvc(mate, "pull", path)
        contents = {file.read_bytes() for file in (other / f"{name}.pth", other / "by_path.pth", mate / path)}
        assert len(contents) == 1 and artifact["desc"]


def test_what_a_stage_rests_on_fits_a_screen():
    assert max(map(len, dvc(ROOT, "dag", "recognise").splitlines())) <= 120


def test_the_graph_in_the_readme_is_that_of_the_stages():
    """Without the arrows that a longer way replaces: render and report read from every other stage."""
    with Repo(str(ROOT)) as repo:
        needs = repo.index.graph.edges
    arrows = [(needed.name.split("@")[0], stage.name.split("@")[0]) for stage, needed in needs]
    drawing = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    drawn = {pair for line in drawing.splitlines()[1:] for pair in pairwise(line.strip().split(" --> "))}
    assert drawn == set(networkx.transitive_reduction(networkx.DiGraph(arrows)).edges)
