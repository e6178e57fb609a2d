"""What the page asks, and who answers it: the project, the worker that reads, and what was kept."""

import json
import secrets
from functools import partial
from pathlib import Path

from recognition.base.errors import UserError
from recognition.page.project import Kept, Project, page_files, take_back
from recognition.page.server import WRONG, Page, Refused
from recognition.page.worker import Answers, Worker


def load(paths: dict[str, Path], folder: Path) -> Answers:
    """In the worker's process, which alone imports torch."""
    from recognition.page.answers import Reader

    return Reader(paths, folder).answers()


def page(project: Project) -> Page:
    """Begins a worker, and gives the page that it answers."""
    paths = {name: network.path for name, network in project.networks.items()}
    worker = Worker(partial(load, paths, project.handwriting))
    kept: dict[str, list[Kept]] = {}  # by a mark that only who kept it knows

    def state(given: dict[str, str], body: bytes) -> dict:
        return project.state() | {"loading": not worker.ready}

    def read(given: dict[str, str], body: bytes) -> object:
        return worker.ask("read", given.get("network", ""), body, "photo" in given)

    def see(given: dict[str, str], body: bytes) -> object:
        return worker.ask("see", given.get("network", ""), body)

    def keep(given: dict[str, str], body: bytes) -> dict:
        asked = given.get("network", ""), body, "photo" in given, names(given), given.get("writer", "")
        written = worker.ask("keep", *asked)
        kept[mark := secrets.token_urlsafe()] = written
        return {"mark": mark, "line": project.told(written)}

    def undo(given: dict[str, str], body: bytes) -> dict:
        written = kept.pop(given.get("mark", ""), None)
        if written is None:
            raise UserError("nothing is kept under that mark; it was taken back, or another server kept it")
        if stay := take_back(written):
            raise UserError(f"{project.shown(stay[0])}: no more as it was kept, and stays; remove it yourself")
        return {"line": f"Taken back: {', '.join(project.shown(one.path) for one in written)}."}

    return Page(page_files(), {"state": state}, {"read": read, "see": see, "keep": keep, "undo": undo})


def names(given: dict[str, str]) -> list[str]:
    """The labels, a list in JSON. Raises Refused for anything else."""
    try:
        labels = json.loads(given["labels"])
    except (KeyError, ValueError, RecursionError):
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Refused(WRONG, "the labels are no list of names")
    return labels
