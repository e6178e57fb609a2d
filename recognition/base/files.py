"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from recognition.base.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image  # which stages without pictures need not load

RUNS_ONLY = 3  # zlib's Z_RLE
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet's formulas begin with


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all: to a temporary name beside it, then os.replace.

    What a killed writer of the same file has left beside it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_strays(path.parent, glob.escape(path.name))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:  # of a full disk it has no name
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # of a read-only place it would tell what nobody asked for, under a name nobody knows
            part.unlink()


def remove_strays(folder: Path, name: str) -> None:
    """Remove what killed writers of the files that match `name` have left in the folder."""
    for stray in folder.glob(f".{name}.*.part"):
        pid = stray.name.split(".")[-2]
        if pid.isdecimal() and not lives(int(pid)):
            stray.unlink(missing_ok=True)


def lives(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON in its own key order, with a final newline.

    Raises UserError where a number in it is not finite: JSON has none such, and it is of a training that went astray.
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise UserError(
            f"{path}: a number for it is not finite; lower the learning_rate of its training in params.yaml"
        ) from None
    write_bytes(path, f"{text}\n".encode())


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as `csv_text` formats it."""
    write_bytes(path, csv_text(header, rows).encode())


def png(picture: Image, **options: object) -> bytes:
    """A picture as PNG, the same bytes wherever the same Pillow runs.

    The compressor is told to look for runs only: which longer matches one finds is up to its hash function, and so may
    be to the processor's instruction set.
    """
    content = io.BytesIO()
    picture.save(content, "PNG", compress_type=RUNS_ONLY, **options)
    return content.getvalue()


def write_png(path: Path, picture: Image, **options: object) -> None:
    """Write a picture as `png` has it."""
    write_bytes(path, png(picture, **options))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV with newline line ends; floats get six decimals, so that a last bit of rounding does not show.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """

    def shown(cell: object) -> object:
        if isinstance(cell, float):
            return f"{cell:z.6f}"
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell

    # The writer puts quotes around a cell with a sign of its line ends: a lone "\r" would split a row, too.
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for row in [header, *rows]:
        writer.writerow(map(shown, row))
    return "".join(f"{line[:-2]}\n" for line in lines)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV with a header row: one dict of strings per row."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def prune(folder: Path, newest: int) -> None:
    """Remove all files of a folder but the `newest` written, and what killed writers have left. Meant for what can be
    made again."""
    remove_strays(folder, "*")
    written = {}
    for path in folder.glob("[!.]*"):
        with suppress(FileNotFoundError):  # another process prunes, too
            written[path] = path.stat().st_mtime_ns
    for path in sorted(written, key=written.__getitem__, reverse=True)[newest:]:
        path.unlink(missing_ok=True)
