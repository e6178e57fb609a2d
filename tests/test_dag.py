"""dvc.yaml held to the code: DVC does not look at imports, so a test does."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import networkx
import pytest
import yaml
from pydantic import BaseModel

from recognition.base import fingerprints
from recognition.base.params import Params, load
from recognition.telling import prose

ROOT = Path(__file__).parent.parent
DEFINED = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PIPELINE = {name: definition.get("do", definition) for name, definition in DEFINED.items()}
SECTIONS = set(Params.model_fields)
# Whose params a stage reads beside its own: `backbone` fetches what `mobilenet` wants, `epochs` trains as `sweep` does.
BORROWED = {
    "backbone": {"download", "mobilenet"},
    "epochs": {"sweep"},
    "report": {"train", "finetune", "sweep", "mobilenet"},  # to tell them
}
OTHERWISE = {"render": "reports/figures", "backbone": "data/mobilenet", "download": "data/${item.dataset}"}  # outs
NOT_IN_RESULTS = {"sweep.scheduler", "sweep.workers"}  # where cells are computed: never a reason to compute them anew


@cache
def imported(file: str) -> frozenset[str]:
    """The project's files that the import lines of `file` name, it and the __init__.py of packages included."""
    modules = {".".join(Path(file).with_suffix("").parts)}
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level and node.module, f"{file}: names of modules are written in full here"
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = {tuple(module.split(".")[:n]) for module in modules for n in range(1, module.count(".") + 2)}
    places = [Path(*part) for part in parts]
    candidates = {str(path) for place in places for path in (place.with_suffix(".py"), place / "__init__.py")}
    return frozenset(path for path in candidates if (ROOT / path).exists())


@cache
def transitive(file: str) -> frozenset[str]:
    found, new = set(), {file}
    while new:
        found |= new
        new = {name for old in new for name in imported(old)} - found
    return frozenset(name for name in found if (ROOT / name).stat().st_size)  # an empty __init__.py changes nothing


def package(file: str) -> str:
    """recognition/training of recognition/training/fit.py; a file that lies in none stands for itself."""
    folder, *rest = Path(file).parts
    return f"{folder}/{rest[0]}" if folder == "recognition" and len(rest) > 1 else file


def stage_file(definition: dict) -> str:
    return re.fullmatch(r"stages/python -m stages\.(\w+)( \$\{(?:item\.\w+|key)\})?", definition["cmd"])[1]


def outs(definition: dict) -> list[str]:
    listed = [*definition.get("outs", []), *definition.get("metrics", []), *definition.get("plots", [])]
    return [next(iter(out)) if isinstance(out, dict) else out for out in listed]


@pytest.mark.parametrize("name", PIPELINE)
def test_code_dependencies_are_exactly_the_packages_of_the_imports(name):
    listed = [dep for dep in PIPELINE[name]["deps"] if dep.startswith(("recognition", "stages"))]
    assert sorted(listed) == sorted({package(file) for file in transitive(f"stages/{name}.py")})


@pytest.mark.parametrize("name", PIPELINE)
def test_a_stage_depends_on_the_versions_of_the_libraries_that_make_its_numbers(name):
    assert ("requirements-numbers.txt" in PIPELINE[name]["deps"]) == (name not in ("download", "backbone"))


@pytest.mark.parametrize("name", ["download", "backbone"])
def test_what_only_downloads_loads_none_of_them(name):
    modules = {"scikit-image": "skimage", "pillow": "PIL"}
    pins = re.findall(r"^([\w-]+)==", (ROOT / "requirements-numbers.txt").read_text(), re.MULTILINE)
    assert "torch" in pins and not {modules.get(pin, pin) for pin in pins} & imported_by(f"import stages.{name}")


@pytest.mark.parametrize("name", PIPELINE)
def test_a_fingerprint_holds_the_same_files(name):
    held = {path for path, _ in fingerprints.code(ROOT / f"stages/{name}.py")}
    assert {path for path in held if (ROOT / path).stat().st_size} == transitive(f"stages/{name}.py")


LIBRARY = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "recognition").rglob("*.py"))
PACKAGES = sorted({package(file) for file in LIBRARY if package(file) != file})


def needs(name: str) -> set[str]:
    """The packages that a package's own import lines name, without itself."""
    files = {found for file in LIBRARY if package(file) == name for found in imported(file)}
    return {package(file) for file in files} & set(PACKAGES) - {name}


def test_packages_are_a_tree_and_base_is_its_root():
    graph = networkx.DiGraph([(name, other) for name in PACKAGES for other in needs(name)])
    assert not list(networkx.simple_cycles(graph))
    assert not needs("recognition/base")


@pytest.mark.parametrize("file", LIBRARY)
def test_a_file_of_the_library_can_be_read_in_one_go(file):
    assert len((ROOT / file).read_text().splitlines()) <= 350


@pytest.mark.parametrize("name", PIPELINE)
def test_one_word_a_stage(name):
    definition = PIPELINE[name]
    assert stage_file(definition) == name
    assert {param.split(".")[0] for param in definition.get("params", [])} <= {name} | BORROWED.get(name, set())
    own = (f"models/{name}/", f"reports/{name}/", f"reports/{name}.", OTHERWISE.get(name, f"data/{name}"))
    assert all(out.startswith(own) for out in outs(definition))


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
    unread = {path for path, names in listed.items() if not names}
    assert unread <= {"finetune.signs.digits"}  # told where there are signs
    assert set().union(*listed.values()) == read


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_leaf_of_a_section_is_a_dependency_of_a_stage(section):
    """DVC compares only the params that are listed."""
    listed = {param for definition in PIPELINE.values() for param in definition.get("params", [])}
    for leaf in Params.model_fields[section].annotation.model_fields:
        known = {section, f"{section}.{leaf}", f"{section}.${{key}}"} & listed
        assert bool(known) != (f"{section}.{leaf}" in NOT_IN_RESULTS), leaf


@pytest.mark.parametrize("file", LIBRARY)
def test_imports_point_from_stages_to_the_library(file):
    assert not any(name.startswith("stages/") for name in imported(file))


@pytest.mark.parametrize("name", PIPELINE)
def test_stages_do_not_import_stages(name):
    assert {found for found in transitive(f"stages/{name}.py") if found.startswith("stages/")} == {
        "stages/__init__.py",
        f"stages/{name}.py",
    }


def foreign(file: str) -> set[str]:
    """The top-level modules of others that the import lines of `file` name."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0])
    return found


@cache
def imported_by(text: str) -> set[str]:
    """Top-level modules that a program imports, found by running it."""
    program = f"{text}\nimport sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in out.stdout.split()}


@pytest.mark.parametrize(
    ("files", "absent"),
    [
        ("base/*", ("torch", "scipy", "PIL")),
        ("sources/*", ("torch", "numpy")),
        ("greek/*", ("torch", "matplotlib")),
        ("ink/[!r]*", ("torch", "matplotlib")),  # all but `read`, which asks a network
        ("ink/*", ("torchvision", "sympy")),  # a second of every start: for MobileNet and for MNIST's files alone
        ("networks/**/*", ("torchvision", "sympy", "matplotlib", "scipy")),
        ("sweep/[!d]*", ("torchvision", "sympy", "matplotlib", "distributed")),  # all but `dask`
        ("training/*", ("torchvision", "sympy", "matplotlib", "scipy", "skimage")),
        ("telling/**/*", ("torch",)),
        ("page/[!a]*", ("torch", "numpy", "PIL", "matplotlib")),  # all but `answers`: the server is there at once
        ("page/app", ("torch", "numpy", "PIL", "matplotlib")),
    ],
)
def test_heavy_libraries_stay_out(files, absent):
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob(f"recognition/{files}.py")]
    assert modules and not set(absent) & imported_by(f"import {', '.join(modules)}")


def test_only_figures_draw():
    """Greek letters, and what is read on a sheet, are written in the typefaces of matplotlib's folder."""
    drawing = {file for file in LIBRARY if "matplotlib" in foreign(file)}
    writing = {"recognition/greek/sources.py", "recognition/ink/draw.py"}
    assert drawing and {str(Path(file).parent) for file in drawing - writing} == {"recognition/telling/figures"}


SOCKETS = {"aiohttp", "ftplib", "gdown", "http", "requests", "socket", "ssl", "urllib", "urllib3"}
ASKING = {"stages/download.py", "stages/backbone.py", "recognition/greek/sources.py"}


def test_only_downloads_the_cluster_and_the_page_open_a_socket():
    files = [*LIBRARY, *(str(path.relative_to(ROOT)) for path in ROOT.glob("stages/*.py"))]
    opening = {file for file in files if SOCKETS & foreign(file)}
    alone = {"recognition/sweep/dask.py", "recognition/page/server.py"}  # of their packages
    assert {package(file) for file in opening} <= {"recognition/sources", *map(package, alone | {*ASKING})}
    assert {file for file in opening if package(file) in map(package, alone)} == alone
    asking = {file for file in files if any(package(name) == "recognition/sources" for name in imported(file))}
    assert {file for file in asking if package(file) != "recognition/sources"} == ASKING
