"""dvc.yaml held to the code: DVC does not look at imports, so a test does."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from recognition.base import fingerprints
from recognition.base.params import Params, load
from recognition.telling import prose

ROOT = Path(__file__).parent.parent
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
SECTIONS = set(Params.model_fields)
# Whose params a stage reads beside its own: `backbone` fetches what `mobilenet` wants, `epochs` trains as `sweep` does.
BORROWED = {
    "backbone": {"download", "mobilenet"},
    "epochs": {"sweep"},
    "report": {"train", "finetune", "sweep", "mobilenet"},  # to tell them
}
NOT_IN_RESULTS = {"sweep.scheduler", "sweep.workers"}  # where cells are computed: never a reason to compute them anew


@cache
def modules_imported(module: str) -> frozenset[str]:
    """The project's own files that importing the file `module` reads, itself and packages included."""
    found = {module}
    package = Path(module).parent / "__init__.py"
    if package.name != module and (ROOT / package).exists():
        found |= {str(package)}
    names = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for name in names:
        for path in (Path(*name.split(".")).with_suffix(".py"), Path(*name.split("."), "__init__.py")):
            if (ROOT / path).exists():
                found.add(str(path))
    return frozenset(found)


def transitive(module: str) -> set[str]:
    found, new = set(), {module}
    while new:
        found |= new
        new = {name for old in new for name in modules_imported(old)} - found
    return {name for name in found if (ROOT / name).stat().st_size}  # an empty __init__.py changes nothing


def stage_file(definition: dict) -> str:
    return re.fullmatch(r"python -m stages\.(\w+)( \$\{item\.\w+\})?", definition["cmd"])[1]


@pytest.mark.parametrize("name", PIPELINE)
def test_code_dependencies_are_exactly_the_imports(name):
    listed = [dep for dep in PIPELINE[name]["deps"] if dep.endswith(".py")]
    assert sorted(listed) == sorted(transitive(f"stages/{name}.py"))


@pytest.mark.parametrize("name", PIPELINE)
def test_a_fingerprint_holds_the_same_files(name):
    assert {path for path, _ in fingerprints.code(ROOT / f"stages/{name}.py")} >= transitive(f"stages/{name}.py")


@pytest.mark.parametrize("name", PIPELINE)
def test_one_word_a_stage(name):
    definition = PIPELINE[name]
    assert stage_file(definition) == name
    assert {param.split(".")[0] for param in definition.get("params", [])} <= {name} | BORROWED.get(name, set())
    outs = [*definition.get("outs", []), *definition.get("metrics", []), *definition.get("plots", [])]
    for out in (next(iter(out)) if isinstance(out, dict) else out for out in outs):
        assert out.startswith(
            (f"models/{name}/", f"reports/{name}/", f"reports/{name}.", "reports/figures", "data/")
        ), out


def test_every_stage_file_is_a_stage_and_every_section_is_used():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"} == set(PIPELINE)
    params = {param.split(".")[0] for definition in PIPELINE.values() for param in definition.get("params", [])}
    assert params == SECTIONS


def attributes(module: str) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse((ROOT / module).read_text())) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_leaf_of_a_section_is_used_by_its_stage(section):
    leaves = set(Params.model_fields[section].annotation.model_fields)
    readers = [section, *(name for name, borrowed in BORROWED.items() if section in borrowed)]
    assert leaves <= set().union(*(attributes(f"stages/{name}.py") for name in readers))


class Recorded:
    """Params that note which of them are read."""

    def __init__(self, params, path: str, read: set[str]) -> None:
        self.params, self.path, self.read = params, path, read

    def __getattr__(self, name: str):
        value, path = getattr(self.params, name), f"{self.path}{name}"
        if isinstance(value, BaseModel):
            return Recorded(value, f"{path}.", self.read)
        self.read.add(path)
        return value


def test_the_report_depends_on_exactly_the_params_that_it_reads():
    read: set[str] = set()
    prose.report(prose.Study(ROOT / "reports", Recorded(load(ROOT / "params.yaml"), "", read)))
    listed = {
        path: {name for name in read if f"{name}.".startswith(f"{path}.")} for path in PIPELINE["report"]["params"]
    }
    assert all(listed.values()) and set().union(*listed.values()) == read


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_leaf_of_a_section_is_a_dependency_of_a_stage(section):
    """DVC compares only the params that are listed."""
    listed = {param for definition in PIPELINE.values() for param in definition.get("params", [])}
    for leaf in Params.model_fields[section].annotation.model_fields:
        known = {section, f"{section}.{leaf}", f"{section}.${{item.study}}"} & listed
        assert bool(known) != (f"{section}.{leaf}" in NOT_IN_RESULTS), leaf


@pytest.mark.parametrize("name", PIPELINE)
def test_every_file_a_stage_reads_or_writes_is_declared(name):
    """Every path constant of a stage lies in one of its deps or outs; render writes what it is told."""
    definition = PIPELINE[name]
    outs = [*definition.get("outs", []), *definition.get("metrics", []), *definition.get("plots", [])]
    declared = [*definition["deps"], *(next(iter(out)) if isinstance(out, dict) else out for out in outs)]
    for node in ast.walk(ast.parse((ROOT / f"stages/{name}.py").read_text())):
        match node:
            case ast.Call(func=ast.Name(id="Path"), args=[ast.Constant(value=str(path))]) if "/" in path:
                assert any(path.startswith(d) or d.startswith(path) for d in declared), path


@pytest.mark.parametrize("module", [str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("recognition/*.py"))])
def test_imports_point_from_stages_to_the_library(module):
    assert not any(name.startswith("stages/") for name in modules_imported(module))


@pytest.mark.parametrize("name", PIPELINE)
def test_stages_do_not_import_stages(name):
    assert {found for found in transitive(f"stages/{name}.py") if found.startswith("stages/")} == {
        "stages/__init__.py",
        f"stages/{name}.py",
    }


@cache
def imported_by(text: str) -> set[str]:
    """Top-level modules that a program imports, found by running it."""
    program = f"{text}\nimport sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.split()}


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("figures", "torch"),
        ("handwriting", "torch"),
        ("training", "matplotlib"),
        ("handwriting", "matplotlib"),
        ("params", "torch"),
        ("sources", "torch"),
        ("params", "scipy"),
        ("runs", "distributed"),
        ("cells", "matplotlib"),
        ("letters", "torch"),
        ("letter_sources", "torch"),
    ],
)
def test_heavy_library_stays_out(module, absent):
    assert absent not in imported_by(f"import recognition.{module}")


SOCKETS = {"aiohttp", "ftplib", "gdown", "http", "requests", "socket", "urllib", "urllib3"}


def test_only_downloads_and_the_cluster_open_a_socket():
    for path in [*ROOT.glob("stages/*.py"), *ROOT.glob("recognition/*.py")]:
        if path.name not in ("sources.py", "letter_sources.py", "download.py", "greek.py", "backbone.py", "cluster.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Import(names=aliases):
                        assert not SOCKETS & {alias.name.split(".")[0] for alias in aliases}, path
                    case ast.ImportFrom(module=str(module)):
                        assert module.split(".")[0] not in SOCKETS, path
            assert "recognition/sources.py" not in modules_imported(str(path.relative_to(ROOT)))
