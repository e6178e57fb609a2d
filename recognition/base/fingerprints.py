"""What a result depends on, as one name: the same name means the same bytes."""

import ast
import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIBRARIES = ["numpy", "torch", "torchvision"]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def of(program: str | Path, device: str, *parts: object) -> str:
    """A hexadecimal name for the code of `program`, a file, with all that it imports of this project, for what computes
    it on `device`, and for `parts`: params, data digests; their repr must be faithful."""
    return hashlib.sha256(repr((code(program), machine(device), parts)).encode()).hexdigest()[:32]


def machine(device: str) -> list[str]:
    """What computes, as far as it changes a last digit: versions, kind of processor and its kernels, or the GPU."""
    import torch

    python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    kernels = [platform.machine(), f"kernels {torch.backends.cpu.get_cpu_capability()}"]
    return [python, *libraries, *kernels, torch.cuda.get_device_name() if device == "cuda" else device]


def code(program: str | Path) -> list[tuple[str, str]]:
    """(path, digest) of a program's file and of every file of this project that it imports, however indirectly.

    The digest is of what the code does: its syntax tree, without comments and docstrings.
    """
    found, new = set(), {str(Path(program).resolve().relative_to(ROOT))}
    while new:
        found |= new
        new = {name for old in new for name in imports(old)} - found
    return [(name, digest(ast.dump(tree(name)).encode())) for name in sorted(found)]


def tree(name: str) -> ast.Module:
    """The syntax tree of the file `name`, below the project's root, without docstrings."""
    whole = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in ast.walk(whole):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return whole


def imports(name: str) -> set[str]:
    """This project's files that the file `name` imports, their packages' __init__.py included, by its import lines.

    Unlike sys.modules, it does not depend on what else the running program has imported.
    """
    modules = {".".join(Path(name).with_suffix("").parts)}
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parents = {".".join(module.split(".")[:n]) for module in modules for n in range(1, module.count(".") + 1)}
    places = [Path(*module.split(".")) for module in modules | parents]
    files = {str(path) for place in places for path in (place.with_suffix(".py"), place / "__init__.py")}
    return {path for path in files if (ROOT / path).is_file()}


def digest(content) -> str:
    """sha256 of bytes, or of anything with a buffer."""
    return hashlib.sha256(content).hexdigest()


def mark(content) -> str:
    """What stands for content in a file's name: eight digits of `digest`."""
    return digest(content)[:8]
