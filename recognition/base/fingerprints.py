"""What a result depends on, as one name: the same name means the same bytes."""

import ast
import hashlib
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIBRARIES = ["numpy", "torch", "torchvision"]


def of(program: str, *parts: object) -> str:
    """A hexadecimal name for the code of `program`, a file, with all that it imports of this project, the versions of
    the libraries, and `parts`: params, data digests; their repr must be faithful."""
    return hashlib.sha256(repr((code(program), sys.version, versions(), parts)).encode()).hexdigest()[:32]


def versions() -> list[str]:
    return [f"{name} {version(name)}" for name in LIBRARIES]


def code(program: str | Path) -> list[tuple[str, str]]:
    """(path, sha256) of a program's file and of every file of this project that it imports, however indirectly."""
    found, new = set(), {str(Path(program).resolve().relative_to(ROOT))}
    while new:
        found |= new
        new = {name for old in new for name in imports(old)} - found
    return [(name, digest((ROOT / name).read_bytes())) for name in sorted(found)]


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


def prune(folder: Path, newest: int) -> None:
    """Remove all files of a folder but the `newest` written. Meant for what can be made again.

    Hidden ones are another writer's, not finished.
    """
    written = {}
    for path in folder.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process prunes, too
            written[path] = path.stat().st_mtime_ns
    for path in sorted(written, key=written.__getitem__, reverse=True)[newest:]:
        path.unlink(missing_ok=True)
