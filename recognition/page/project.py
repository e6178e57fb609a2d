"""What the page is of: a project's networks, the training that runs there, and what was kept. No torch."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from recognition.base import files
from recognition.base.alphabet import SYMBOLS
from recognition.base.fingerprints import digest

CURVE = ("train_loss", "held_out_loss", "held_out_accuracy")
KINDS = {  # folders of data/handwriting, and what `dvc repro` does with a picture there
    "digits": "the digit network reads it, and is scored",
    "greek": "the networks of Greek letters learn from it, or are scored on it where it is held out",
    "signs": "a network learns it as a sign of your own, or is scored on it where it is held out",
}
CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}


class Network(NamedTuple):
    title: str
    path: Path  # of its checkpoint
    command: str  # that makes it


class Kept(NamedTuple):
    path: Path
    sha256: str  # of what was written there


class Project(NamedTuple):
    root: Path
    networks: dict[str, Network]  # by their names

    @property
    def handwriting(self) -> Path:
        """Where the user's pictures lie."""
        return self.root / "data" / "handwriting"

    def shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def told(self, kept: Sequence[Kept]) -> str:
        """A line of what was kept where, and what comes of it."""
        there = dict.fromkeys(one.path.relative_to(self.handwriting).parts[0] for one in kept)
        first, more = self.shown(kept[0].path), f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        return f"Kept as {first}{more}. With `dvc repro` {'; '.join(KINDS[kind] for kind in there)}."

    def state(self) -> dict:
        """What is there now, for the page."""
        networks = [
            {"name": name, "title": one.title, "there": one.path.is_file(), "build": f"`{one.command}` makes it"}
            for name, one in self.networks.items()
        ]
        return {"networks": networks, "training": self.training(), "symbols": SYMBOLS}

    def training(self) -> dict | None:
        """The stage that trains now by DVC, and its epochs so far; None where none does.

        A stage that runs has locked what it writes, by its process's number.
        """
        try:
            locks = json.loads((self.root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))["write"].items()
            running = [Path(path) for path, holder in locks if files.lives(holder["pid"])]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none yet, or it is being written
            return None
        for path in running:
            if path.name == "epochs.csv":
                return {"name": path.parent.name, "rows": epochs(path)}
        return None


def epochs(path: Path) -> list[dict[str, float]]:
    """Of the training that the table's last row is of; none where it is not there yet."""
    rows: list[dict[str, str]] = []
    with suppress(OSError):
        rows = files.read_csv(path)
    last = rows[-1].get("way") if rows else None
    return [
        {"epoch": int(row["epoch"]), **{key: float(row[key]) for key in CURVE}}
        for row in rows
        if row.get("way") == last
    ]


def take_back(kept: Sequence[Kept]) -> list[Path]:
    """Remove what was kept, and a sign's folder that is left empty; returns what is no more as it was, and stays."""
    stay = []
    for path, sha256 in kept:
        if not path.is_file() or digest(path.read_bytes()) != sha256:
            stay.append(path)
            continue
        path.unlink()
        if path.parent.name not in KINDS:
            with suppress(OSError):  # there are others
                path.parent.rmdir()
    return stay


def page_files() -> dict[str, tuple[str, bytes]]:
    """What the browser loads, by name: content type and content; "" is the page itself."""
    found = {path.name: path for path in Path(__file__).parent.glob("page.*")}
    loaded = {name: (CONTENT_TYPES[path.suffix], path.read_bytes()) for name, path in found.items()}
    loaded[""] = loaded.pop("page.html")
    return loaded
