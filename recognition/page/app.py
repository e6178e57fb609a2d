"""What the page asks, and who answers it: the project, the worker that reads, and what was kept."""

import atexit
import json
import secrets
from functools import partial
from pathlib import Path
from threading import Lock

from recognition.base import fingerprints
from recognition.base.errors import UserError
from recognition.page.project import Kept, Project, page_files
from recognition.page.server import WRONG, Page, Refused
from recognition.page.worker import Answers, Worker

LAST_S = 5.0  # for what is being kept, when this process ends


def load(paths: dict[str, Path]) -> Answers:
    """In the worker's process, which alone imports torch."""
    from recognition.page.answers import Reader

    return Reader(paths).answers()


def page(project: Project) -> Page:
    """Begins a worker, and gives the page that it answers."""
    worker = Worker(partial(load, {name: network.path for name, network in project.networks.items()}))
    kept: dict[str, list[Kept]] = {}  # by a mark that only who kept it knows
    turn = Lock()  # of who keeps or takes back
    atexit.register(turn.acquire, timeout=LAST_S)

    def state(given: dict[str, str], body: bytes) -> dict:
        return project.state() | {"loading": worker.loading, "failed": worker.failed}

    def read(given: dict[str, str], body: bytes) -> object:
        return worker.ask("read", given.get("network", ""), body, "photo" in given)

    def see(given: dict[str, str], body: bytes) -> object:
        return worker.ask("see", given.get("network", ""), body)

    def keep(given: dict[str, str], body: bytes) -> dict:
        asked = given.get("network", ""), body, "photo" in given, names(given), given.get("writer", "")
        pictures = worker.ask("cut", *asked)
        with turn:
            written = project.keep(fingerprints.mark(body), pictures)
            again = (mark for mark, others in kept.items() if others == written)
            kept[mark := next(again, secrets.token_urlsafe())] = written
        return {"mark": mark, "line": project.told(written)}

    def undo(given: dict[str, str], body: bytes) -> dict:
        with turn:
            written = kept.pop(given.get("mark", ""), None)
            stay = project.take_back(written or [])
        if written is None:
            raise UserError("nothing is kept under that mark; it was taken back, or another server kept it")
        if stay:
            raise UserError(f"{project.shown(stay[0])}: no more as it was kept, and stays; remove it yourself")
        return {"line": f"Taken back: {', '.join(project.shown(one.path) for one in written)}."}

    return Page(page_files(), {"state": state}, {"read": read, "see": see, "keep": keep, "undo": undo})


def names(given: dict[str, str]) -> list[str | None]:
    """The labels, a list in JSON. Raises Refused for anything else."""
    try:
        labels = json.loads(given["labels"])
    except (KeyError, ValueError, RecursionError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str | None) for label in labels):
        raise Refused(WRONG, "the labels are no list of names")
    return labels
