"""The README held to what is on disk: its numbers, its tree, its commands."""

import importlib.util
import json
import re
import shlex
import subprocess
from functools import reduce
from pathlib import Path

import pytest
import yaml
from dvc.cli.parser import get_main_parser

from recognition.base.params import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", README, re.DOTALL | re.MULTILINE)
ROWS = [line for line in README.splitlines() if line.startswith("| ")]
COMMANDS = [line.strip() for _, kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".")


@pytest.mark.parametrize(
    ("stage", "keys", "prefix", "label"),
    [
        ("evaluate", ["mnist"], "test_", "| MNIST's test set |"),
        ("recognise", ["handwriting", "digits"], "", "| the ten digits"),
        ("finetune/greek", ["greek", "last_layer"], "", "| alpha, beta, gamma"),
        ("finetune/greek", ["greek", "all_layers"], "", "all layers tuned"),
        ("finetune/greek_extended", ["greek_extended", "last_layer"], "", "| lambda, pi, psi, omega, theta, tau"),
        ("finetune/greek_extended", ["greek_extended", "all_layers"], "", "all layers tuned"),
        ("sweep", ["sweep", "best"], "test_", "the best of 75 networks after {0.sweep.epochs} epoch each |"),
        ("epochs", ["epochs"], "test_", "the same network after {1[chosen]} epochs |"),
        ("mobilenet", ["mobilenet"], "test_", "MobileNetV3-large from scratch after {0.mobilenet.epochs} epochs |"),
        ("full/sweep", ["sweep", "best"], "test_", "the best of 75 networks after {0.sweep.epochs} each |"),
        ("full/epochs", ["epochs"], "test_", "the same network after {1[chosen]} epochs, {1[seeds]} seeds' mean |"),
        (
            "full/mobilenet",
            ["mobilenet"],
            "test_",
            "{0.mobilenet.epochs} epochs, pictures enlarged to {0.mobilenet.image_size}",
        ),
    ],
)
def test_the_table_holds_the_committed_metrics(stage, keys, prefix, label):
    metrics = reduce(dict.get, keys, json.loads((ROOT / f"reports/{stage}/metrics.json").read_text()))
    share, low, high = (percent(metrics[f"{prefix}accuracy{end}"]) for end in ("", "_low", "_high"))
    params = load(ROOT / ("reports/full" if stage.startswith("full/") else "") / "params.yaml")
    numbers = f" | {metrics['n']:,} | {share} % | {low}–{high} % |"
    assert any(label.format(params, metrics) in row and row.endswith(numbers) for row in ROWS)


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"\b[A-Z]*TIMES?\b|\b[A-Z]+LINE\b|TODO|FIXME", README)


def drawn() -> list[tuple[str, list[str]]]:
    """The names at the top of the README's tree, each with those that are indented below it."""
    [tree] = (text for _, kind, text in BLOCKS if not kind)
    found: list[tuple[str, list[str]]] = []
    for line in tree.splitlines():
        name = line.split()[0].rstrip("/")
        if line[0] == " ":
            found[-1][1].append(name)
        else:
            found.append((name, []))
    return found


def test_the_tree_is_on_disk_and_whole():
    named = {name for name, _ in drawn()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {path.split("/")[0] for path in tracked.splitlines()} | {"models"}  # made by `dvc repro`
    assert named == {name for name in there if name[0] != "."} - {"README.md", "LICENSE", "pyproject.toml", "dvc.lock"}


def test_the_tree_names_each_package_of_the_library():
    packages = [path.parent.name for path in (ROOT / "recognition").glob("*/__init__.py")]
    assert sorted(dict(drawn())["recognition"]) == sorted(packages)


def test_its_stages_are_the_stages():
    listed = re.search(r"one program a stage: (.*)", README)[1].split(", ")
    assert listed == list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"`?make (repro|test|\w+)`|^make (\w+)$", README, re.MULTILINE)))
)
def test_make_targets_exist(target):
    name = next(filter(None, target))
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if re.search(" -m |-S |-r |^dvc ", c)])
def test_commands_name_what_exists(command):
    if module := re.search(r"python3? -m ([\w.]+)", command):
        assert importlib.util.find_spec(module[1]), module[1]
    if setting := re.search(r"-S ([\w.]+)=", command):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        reduce(lambda section, key: section[key], setting[1].split("."), params)
    if command.startswith("dvc "):
        words = shlex.split(command.replace("<this repository>", "URL"), comments=True)
        get_main_parser().parse_args(words[1:])  # raises DvcParserError
    if artifact := re.search(r"artifacts get .*> (\S+)", command):
        assert artifact[1] in yaml.safe_load((ROOT / "dvc.yaml").read_text())["artifacts"]
    if file := re.search(r"-r (\S+)", command):
        assert (ROOT / file[1]).exists()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"[`(]((?:stages|recognition|reports|tests|data)/[\w./]+)[`)]", README)))
)
def test_paths_exist(path):
    made_by_a_run = path == "reports/report.html"
    assert (ROOT / path).exists() or made_by_a_run or path.startswith("data/by_hand")
