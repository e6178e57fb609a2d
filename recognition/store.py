"""What a result depends on, as one name: the same name means the same bytes."""

import hashlib
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ["numpy", "torch", "torchvision"]


def fingerprint(*parts: object) -> str:
    """A hexadecimal name for params, data digests, code and library versions; `parts` must have a faithful repr."""
    return hashlib.sha256(
        repr((parts, code(), sys.version, [version(name) for name in LIBRARIES])).encode()
    ).hexdigest()[:32]


def code() -> list[tuple[str, str]]:
    """(module, sha256) of every module of this project that the running program has imported."""
    root = Path(__file__).parent.parent
    found = {}
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "/")
        if path.parent.parent == root and path.parent.name in ("recognition", "stages"):
            found[str(path.relative_to(root))] = digest(path.read_bytes())
    return sorted(found.items())


def digest(content) -> str:
    """sha256 of bytes, or of anything with a buffer."""
    return hashlib.sha256(content).hexdigest()


def prune(folder: Path, newest: int) -> None:
    """Remove all files of a folder but the `newest` written. Meant for what can be made again."""
    written = {}
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process prunes, too
            written[path] = path.stat().st_mtime_ns
    for path in sorted(written, key=written.get, reverse=True)[newest:]:
        path.unlink(missing_ok=True)
