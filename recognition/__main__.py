"""The command line, `python -m recognition`: predict PATH..., read PATH..., collect SHEET --as TEXT, page, results."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  whatever Python the user calls
    sys.exit("error: this Python is older than 3.11; `. .venv/bin/activate` enters the project's own")

from recognition.base import door

if __name__ == "__main__":
    door.begin()

import argparse
import codecs
import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from recognition.base import files
from recognition.base.determinism import pin_arithmetic
from recognition.base.errors import UserError, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tqdm import tqdm

    from recognition.ink.characters import Character
    from recognition.ink.pictures import Found
    from recognition.training.checkpoints import Checkpoint

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "train" / "checkpoint.pth"
PORT = 8028
HANDWRITING = ROOT / "data" / "handwriting"
SAID = (
    "what is written, lines apart by /: a word in small letters of a to z, between blanks, names a sign (alpha, plus, "
    "treble_clef), whatever else is a sign each (8+3, ABC); a line of one alone is that over and over"
)


def predict(paths: list[Path], model: Path, table: Path | None) -> int:
    """Print a row for every picture and a line for every one that cannot be read; returns the exit code."""
    from recognition.ink import read

    checkpoint, found, bar = begin(paths, model)
    with bar:
        readings, unreadable = read.read(checkpoint, found.pictures, bar.update)
    notes = [f"{r.path}: {r.characters} characters; `read` reads them all" for r in readings if r.characters > 1]
    rows = files.csv_text(read.columns(checkpoint.classes), [r.row() for r in readings])
    return tell(rows, rows, table, notes, found.complaints() + unreadable)


def read(paths: list[Path], model: Path, table: Path | None, folder: Path | None) -> int:
    """Print what is written in every picture, line by line; returns the exit code."""
    from recognition.ink import read
    from recognition.ink.decode import read_picture
    from recognition.ink.draw import draw

    checkpoint, found, bar = begin(paths, model)
    pictures = [*dict.fromkeys(found.pictures)]
    drawings = drawn_as(pictures, folder) if folder else {}
    undrawn: list[str] = []

    def show(page: read.Page) -> None:
        if drawing := drawings.get(page.path):
            photo, scale = read_picture(page.path, colour=True)
            labelled = [(page.box(one), one.sign) for line in page.sheet.lines for one in line]
            try:
                files.write_png(drawing, draw(photo, labelled, scale))
            except OSError as error:
                undrawn.append(f"{drawing}: {error.strerror}; name a folder that can be written")

    with bar:
        pages, unreadable = read.read_sheets(checkpoint, pictures, bar.update, show)
    notes = [f"{p.path}: read turned clockwise by {p.sheet.turn} degrees" for p in pages if p.sheet.turn]
    if len(pictures) < len(found.pictures):
        notes.append("what is given more than once is read once")
    rows = files.csv_text(read.sheet_columns(checkpoint.classes), [row for page in pages for row in page.rows()])
    texts = [f"{page.sheet.text}\n" for page in pages]
    if len(pictures) > 1:
        texts = [f"{page.path}:\n{text}" for page, text in zip(pages, texts, strict=True)]
    return tell("\n".join(texts), rows, table, notes, found.complaints() + unreadable + sorted(undrawn)[:1])


def drawn_as(pictures: list[Path], folder: Path) -> dict[Path, Path]:
    """Where what is read in each picture is drawn. Raises UserError: that is one of the pictures."""
    names = distinct([path.stem for path in pictures])
    drawings = {path: folder / f"{name}.read.png" for path, name in zip(pictures, names, strict=True)}
    given = {os.path.realpath(path) for path in pictures}
    if taken := next((drawing for drawing in drawings.values() if os.path.realpath(drawing) in given), None):
        raise UserError(f"{taken}: is to be read, and would be drawn over; name another folder to draw into")
    return drawings


def begin(paths: list[Path], model: Path) -> tuple["Checkpoint", "Found", "tqdm"]:
    """The network, the pictures to read, and a bar of how far that is. Raises UserError: one of them is not there."""
    from tqdm import tqdm

    from recognition.ink import pictures

    checkpoint = network(model)
    found = pictures.find_pictures(paths)
    for note in found.notes():
        print(one_line(note), file=sys.stderr)
    if found.empty:
        where = pictures.with_others(found.empty)
        empty = f"{where}: no pictures there; their names end in .jpg, .png or another such suffix"
        if not found.pictures and not found.unread:
            raise UserError(empty)
        print(one_line(empty), file=sys.stderr)
    return checkpoint, found, tqdm(total=len(found.pictures), unit=" pictures", leave=False, disable=None)


def network(model: Path) -> "Checkpoint":
    """The checkpoint there. Raises UserError as `checkpoints.load`."""
    from recognition.base.determinism import pin_torch
    from recognition.training import checkpoints

    door.imported()
    pin_torch()
    return checkpoints.load(model)


def tell(text: str, rows: str, table: Path | None, notes: list[str], failures: list[str]) -> int:
    """Write the rows to the table, if any, and print all else, whatever comes of that; returns the exit code."""
    if table:
        try:
            write(table, rows)
        except UserError as error:
            failures = [*failures, str(error)]
    for line in [*notes, *(f"error: {failure}" for failure in failures)]:
        print(one_line(line), file=sys.stderr)
    shown = "\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text
    try:
        print(shown, end="", flush=True)
    except BrokenPipeError:
        unheard()
    return 1 if failures else 0


def unheard() -> None:
    """What stdout has not taken, as of `| head`, goes nowhere: else Python tries it once more in the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def distinct(names: list[str]) -> list[str]:
    """The same names, with a number behind each that was there before."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{n}" for n in range(2, len(names) + 1))
        found[next(free for free in (name, *numbered) if free not in found)] = None
    return list(found)


def collect(sheet: Path, text: str, writer: str) -> int:
    """Cut a sheet into labelled pictures, and say where they lie; returns the exit code."""
    from recognition.ink.collect import by_width, collect

    door.imported()

    @cache
    def digits() -> "Checkpoint":
        return network(MODEL)

    def divide(piece: "Character", names: "Sequence[str]", height: float) -> "list[Character]":
        """As the network reads, if it knows such signs: a second to load, for what touches alone."""
        if not MODEL.exists():
            return by_width(piece, names, height)
        checkpoint = digits()
        if not {*names} <= {*checkpoint.classes}:
            return by_width(piece, names, height)
        from recognition.ink import read

        return read.divided(checkpoint, piece, names, height)

    shown = ROOT / ".cache" / "collect" / f"{sheet.stem}.png"
    found = collect(sheet, text, writer, HANDWRITING, shown, divide)
    folders = Counter(path.parent for path in found.new or found.pictures)
    where = ", ".join(f"{n} in {os.path.relpath(folder)}" for folder, n in folders.items())
    before = len(found.pictures) - len(found.new)
    pictures = f"{len(found.new)} {'picture' if len(found.new) == 1 else 'pictures'}: {where}"
    told = f"{pictures}; {before} {'was' if before == 1 else 'were'} there before" if before else pictures
    print(one_line(told if found.new else f"{sheet}: collected before: {where}"))
    cut = f"{found.cut} touched and are cut apart; " if found.cut else ""
    look = f"{os.path.relpath(shown)} shows which is which: look whether each is whole, upright and right"
    print(one_line(cut + look))
    return 0


def results() -> int:
    """Print what the stages have found, as `make repro` does in its end; returns the exit code."""
    from recognition.base.params import load
    from recognition.telling.results import results
    from recognition.telling.study import Study

    door.imported()
    print(results(Study(Path("reports"), load(Path("params.yaml")))))
    return 0


def page(host: str | None, port: int, browse: bool) -> int:
    """Serve the page until it is stopped."""
    import webbrowser
    from threading import Thread

    from recognition.page import app
    from recognition.page.project import Network, Project
    from recognition.page.server import POLL_S, Server

    tuned = ROOT / "models" / "finetune"
    networks = {
        "digits": Network("digits", MODEL, "dvc repro train"),
        "greek": Network("Greek letters", tuned / "greek" / "all_layers.pth", "dvc repro finetune@greek"),
        "greek_extended": Network(
            "more Greek letters", tuned / "greek_extended" / "all_layers.pth", "dvc repro finetune@greek_extended"
        ),
        "signs": Network("your own signs", tuned / "signs" / "all_layers.pth", "dvc repro finetune@signs"),
    }
    with Server(host or "127.0.0.1", port, guarded=host is not None) as server:
        door.imported()
        server.page = app.page(Project(ROOT, networks))  # begins a process, which Ctrl-C may not leave half begun
        if host:
            print(
                f"warning: whoever reaches {host} and has this address can read and write with this page; what it "
                "sends is not encrypted, so use it in a network of your own",
                file=sys.stderr,
            )
        print(f"{server.url}  (Ctrl-C ends it)", flush=True)
        if browse and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):  # else it would be one of text
            Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        server.serve_forever(POLL_S)
    return 0


def write(table: Path, text: str) -> None:
    """Into the file that is meant, whole or not at all; a device or a pipe is written to, a link followed."""
    content = text.encode(errors="surrogateescape")  # file names are bytes
    try:
        if table.exists() and not table.is_file():
            table.write_bytes(content)
        else:
            files.write_bytes(Path(os.path.realpath(table)), content)
    except OSError as error:
        raise UserError(f"{table}: {error.strerror}; name a file that can be written") from None


def as_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """For stdout: a file's name is written as the bytes that it is, and "?" for a sign that the encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    sign = error.object[error.start]
    return (os.fsencode(sign) if "\udc80" <= sign <= "\udcff" else b"?"), error.start + 1


def main() -> int | str:
    parser = argparse.ArgumentParser(prog="python -m recognition")
    commands = parser.add_subparsers(required=True)
    pictures = argparse.ArgumentParser(add_help=False)
    pictures.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures")
    pictures.add_argument("--model", type=Path, default=MODEL, help="a checkpoint; default: the digit network")
    command = commands.add_parser("predict", parents=[pictures], help="say which one character each picture shows")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write the rows to this file too")
    command.set_defaults(run=lambda given: predict(given.paths, given.model, given.csv))
    command = commands.add_parser("read", parents=[pictures], help="read all that is written in each picture")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each character to this file")
    command.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw what is read where into this folder")
    command.set_defaults(run=lambda given: read(given.paths, given.model, given.csv, given.pictures))
    command = commands.add_parser("collect", help="cut a sheet into labelled pictures, to learn from")
    command.add_argument("sheet", type=Path, metavar="SHEET", help="a picture of what you have written")
    command.add_argument("--as", dest="text", required=True, metavar="TEXT", help=SAID)
    command.add_argument("--writer", default="", metavar="NAME", help="whose hand it is")
    command.set_defaults(run=lambda given: collect(given.sheet, given.text, given.writer))
    command = commands.add_parser("page", help="draw, photograph and teach, in the browser")
    command.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0: a free one")
    command.add_argument("--host", metavar="ADDRESS", help="of this machine, for others that reach it, as a phone")
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.set_defaults(run=lambda given: page(given.host, given.port, not given.no_browser))
    command = commands.add_parser("results", help="the study's numbers beside the original's")
    command.set_defaults(run=lambda given: results())
    arguments = parser.parse_args()
    codecs.register_error("names", as_bytes)
    sys.stdout.reconfigure(errors="names")  # pyrefly: ignore[missing-attribute]
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head`: the rest is not wanted
        unheard()
        return 0
    except KeyboardInterrupt:
        return "stopped"
    except Exception as error:
        if (line := door.failure(error)) is None:
            raise
        try:
            sys.stdout.flush()
        except OSError:
            unheard()
        return line


if __name__ == "__main__":
    pin_arithmetic()
    sys.exit(main())
