"""What the page is of: a project's networks, the training that runs there, and what was kept. No torch."""

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from recognition.base import files
from recognition.base.alphabet import SYMBOLS, named_in
from recognition.base.errors import UserError
from recognition.base.fingerprints import digest
from recognition.base.params import Params, load

CURVE = ("train_loss", "held_out_loss", "held_out_accuracy")
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
        first, more = self.shown(kept[0].path), f" and {len(kept) - 1} more" if len(kept) > 1 else ""
        there = dict.fromkeys(one.path.relative_to(self.handwriting).parts[:-1] for one in kept)
        try:
            params = load(self.root / "params.yaml")
            learned = f"With `dvc repro` {'; '.join(dict.fromkeys(self.comes_of(params, *place) for place in there))}."
        except UserError as error:
            learned = f"{error}."
        return f"Kept as {first}{more}. {learned}"

    def comes_of(self, params: Params, kind: str, name: str = "") -> str:
        """What `dvc repro` does with the pictures of a letter or sign, or with those of digits."""
        if kind == "digits":
            return "the digit network reads it, and is scored"
        home = self.handwriting / kind
        paths = [path.relative_to(home) for path in home.rglob("*.*") if path.is_file()]
        n = sum((named_in(path) if kind == "greek" else path.parts[0]) == name for path in paths)
        there = f"{name} from {n} picture{'s' * (n != 1)}"
        tuned = params.finetune
        if kind == "signs":
            if tuned.signs.names != "all" and name not in tuned.signs.names:
                return f"no network learns {name}: add it to finetune.signs.names in params.yaml"
            return f"a network learns {there}, as a sign of your own"
        if name not in (*tuned.greek.letters, *tuned.greek_extended.letters):
            return f"no network learns {name}: add it to finetune.greek.letters in params.yaml"
        if params.greek.source not in ("auto", "folder"):
            return f"{name} is read, and learned from others' alone: greek.source is {params.greek.source}"
        return f"networks learn {there}, yours alone: with greek.source {params.greek.source} they replace all others'"

    def keep(self, mark: str, pictures: Sequence[tuple[str, bytes]]) -> list[Kept]:
        """Write what was cut from a drawing of this mark to paths below data/handwriting.

        What a killed call has left out is added by the same one. Raises UserError where anything else was kept of the
        drawing; nothing is written then.
        """
        wanted = {self.handwriting / path: content for path, content in pictures}
        before = sorted(self.handwriting.rglob(f"*.{mark}-*.png"))
        if other := next((path for path in before if path.read_bytes() != wanted.get(path)), None):
            raise UserError(f"kept before, as {self.shown(other)}; take it back, or remove it, first")
        written: list[Kept] = []
        try:
            for path in (path for path in wanted if path not in before):
                files.write_bytes(path, wanted[path])
                written.append(Kept(path, digest(wanted[path])))
        except BaseException:
            self.take_back(written)
            raise
        return [Kept(path, digest(content)) for path, content in wanted.items()]

    def take_back(self, kept: Sequence[Kept]) -> list[Path]:
        """Remove what was kept, and a sign's folder that is left empty. Returns what is another since, and stays."""
        stay = []
        for path, sha256 in kept:
            if not path.is_file():
                continue
            if digest(path.read_bytes()) != sha256:
                stay.append(path)
                continue
            path.unlink()
            if len(path.relative_to(self.handwriting).parts) > 2:
                with suppress(OSError):  # there are others
                    path.parent.rmdir()
        return stay

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


def epochs(path: Path) -> list[dict[str, float | None]]:
    """Of the training that the table's last row is of; none where it is not there yet. None stands for no number."""
    rows: list[dict[str, str]] = []
    with suppress(OSError):
        rows = files.read_csv(path)
    last = rows[-1].get("way") if rows else None
    return [
        {"epoch": int(row["epoch"]), **{key: finite(row[key]) for key in CURVE}}
        for row in rows
        if row.get("way") == last
    ]


def finite(text: str) -> float | None:
    """A number that JSON has."""
    return value if math.isfinite(value := float(text)) else None


def page_files() -> dict[str, tuple[str, bytes]]:
    """What the browser loads, by name: content type and content; "" is the page itself."""
    found = {path.name: path for path in Path(__file__).parent.glob("page.*")}
    loaded = {name: (CONTENT_TYPES[path.suffix], path.read_bytes()) for name, path in found.items()}
    loaded[""] = loaded.pop("page.html")
    return loaded
