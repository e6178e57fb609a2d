"""The command line: `python -m recognition predict PATH...` and `python -m recognition results`."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  whatever Python the user calls
    sys.exit("error: this Python is older than 3.11; `. .venv/bin/activate` enters the project's own")

from recognition.base import door

if __name__ == "__main__":
    door.begin()

import argparse
import codecs
import os
from pathlib import Path

from recognition.base import files
from recognition.base.determinism import pin_arithmetic
from recognition.base.errors import UserError, one_line, visible

MODEL = Path(__file__).parent.parent / "models" / "train" / "checkpoint.pth"


def predict(paths: list[Path], model: Path, table: Path | None) -> int:
    """Print a row for every picture and a line for every one that cannot be read; returns the exit code."""
    from tqdm import tqdm

    from recognition.base.determinism import pin_torch
    from recognition.ink import pictures, read
    from recognition.training import checkpoints

    door.imported()
    pin_torch()
    checkpoint = checkpoints.load(model)
    found = pictures.find_pictures(paths)
    for note in found.notes():
        print(one_line(note), file=sys.stderr)
    if not found.pictures and not found.unread:
        raise UserError(f"{paths[0]}: no pictures there; their names end in .jpg, .png or another such suffix")
    with tqdm(total=len(found.pictures), unit=" pictures", leave=False, disable=None) as bar:
        readings, unreadable = read.read(checkpoint, found.pictures, bar.update)
    failures = found.complaints() + unreadable
    header, rows = read.columns(checkpoint.classes), [r.row() for r in readings]
    text = files.csv_text(header, rows)
    try:
        if table:
            write(table, text)
    finally:
        for failure in failures:
            print(f"error: {one_line(failure)}", file=sys.stderr)
        shown = "\n".join(map(visible, text.split("\n"))) if sys.stdout.isatty() else text
        print(shown, end="", flush=True)
    return 1 if failures else 0


def results() -> int:
    """Print what the stages have found, as `make repro` does in its end; returns the exit code."""
    from recognition.base.params import load
    from recognition.telling.results import results
    from recognition.telling.study import Study

    door.imported()
    print(results(Study(Path("reports"), load(Path("params.yaml")))))
    return 0


def write(table: Path, text: str) -> None:
    """Into the file that is meant, whole or not at all; a device or a pipe is written to, a link followed."""
    content = text.encode(errors="surrogateescape")  # file names are bytes
    try:
        if table.exists() and not table.is_file():
            table.write_bytes(content)
        else:
            files.write_bytes(table.resolve(), content)
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
    command = commands.add_parser("predict", help="say what a trained network reads in pictures")
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures")
    command.add_argument("--model", type=Path, default=MODEL, help="a checkpoint; default: the digit network")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write the rows to this file too")
    command.set_defaults(run=lambda given: predict(given.paths, given.model, given.csv))
    command = commands.add_parser("results", help="the study's numbers beside the original's")
    command.set_defaults(run=lambda given: results())
    arguments = parser.parse_args()
    codecs.register_error("names", as_bytes)
    sys.stdout.reconfigure(errors="names")  # pyrefly: ignore[missing-attribute]
    try:
        return arguments.run(arguments)
    except BrokenPipeError:  # `| head`: the rest is not wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return "stopped"
    except Exception as error:
        if (line := door.failure(error)) is None:
            raise
        return line


if __name__ == "__main__":
    pin_arithmetic()
    sys.exit(main())
