"""Pictures of handwriting: which there are, their labels, and the character of each as 28x28. No torch.

Four steps, each of which can be looked at: `read_grey` (file to grey values), `strength` (grey values to that of ink),
`find_characters` (which ink is one character), `normalise` (a character's ink to 28x28). `prepare` does all of it.
"""

import errno
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, NoReturn, TypeVar

import numpy as np

from recognition.base import machine
from recognition.base.errors import UserError
from recognition.ink.characters import Character, find_characters
from recognition.ink.decode import FORMATS, HEIF_ENDS, HEIF_MEND, read_grey
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength

T = TypeVar("T")

SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes.split())


class Found(NamedTuple):
    """What there is in folders and among files."""

    pictures: list[Path]
    unread: list[tuple[Path, str]]  # folders that may not be entered, and what has a picture's name and is none; why
    passed_over: Counter[str]  # how many files have another name, by its suffix
    empty: list[Path]  # folders, of those that were named, in which there are none of the first two

    def complaints(self) -> list[str]:
        """A line for each reason not to read something, with the first of what it holds for."""
        by_reason: dict[str, list[Path]] = {}
        for path, reason in self.unread:
            by_reason.setdefault(reason, []).append(path)
        return [f"{with_others(paths)}: {reason}" for reason, paths in by_reason.items()]

    def notes(self) -> list[str]:
        """A line that counts what was passed over, if anything was."""
        counts = [f"{n} {suffix or 'without a suffix'}" for suffix, n in self.passed_over.most_common() if n]
        mend = f"; {HEIF_MEND}" if any(map(self.passed_over.get, HEIF_ENDS.split())) else ""
        return [f"passed over, no pictures by their names: {', '.join(counts)}{mend}"] if counts else []


def with_others(paths: Sequence[Path]) -> str:
    """The first of them, and how many more there are."""
    return f"{paths[0]}{f' and {len(paths) - 1} more' if paths[1:] else ''}"


def find_pictures(paths: Iterable[Path]) -> Found:
    """Files as they are given, whatever their suffix; folders recursively, sorted, without hidden files and folders.

    Raises UserError for a path that is not there, or not a file.
    """
    found = Found([], [], Counter(), [])
    for path in paths:
        if path.is_dir():
            before = len(found.pictures) + len(found.unread)
            _look_into(path, found)
            if len(found.pictures) + len(found.unread) == before:
                found.empty.append(path)
        elif path.is_file():
            found.pictures.append(path)
        elif path.exists():
            raise UserError(f"{path}: neither a file nor a folder; name a picture or a folder of pictures")
        else:
            raise UserError(f"{path}: no such file or folder; name a picture or a folder of pictures")
    return found


def _look_into(root: Path, found: Found) -> None:
    """A folder is entered once, by whatever name comes first; what links lead to comes after what is there itself."""

    def refused(error: OSError) -> None:
        found.unread.append((Path(os.fsdecode(error.filename)), _refused(error)))

    pictures: list[Path] = []
    entered: set[tuple[int, int]] = set()
    waiting = [root]
    for start in waiting:
        for folder, inside, names in os.walk(start, onerror=refused):
            about = Path(folder).stat()
            if (about.st_dev, about.st_ino) in entered:
                inside.clear()
                continue
            entered.add((about.st_dev, about.st_ino))
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            visible = [Path(folder, name) for name in inside]
            waiting += [path for path in visible if os.path.islink(path)]  # noqa: PTH114  Path's would raise
            for path in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
                if (suffix := path.suffix.lower()) not in SUFFIXES:
                    found.passed_over[suffix] += path.name != "README.md"  # which tells of the folder
                elif reason := _unreadable(path):
                    found.unread.append((path, reason))
                else:
                    pictures.append(path)
    found.pictures.extend(sorted(pictures))


def _unreadable(path: Path) -> str | None:
    """Why there is no file, and the mend, if there is none."""
    try:
        return None if S_ISREG(path.stat().st_mode) else "neither a file nor a folder; put the picture itself there"
    except OSError as error:
        return _refused(error)


def _refused(error: OSError) -> str:
    """Such as of a folder that may not be entered, or of what is in one that may be listed and not entered."""
    if error.errno in (errno.ENOENT, errno.ELOOP):
        return "a link that leads nowhere; put the picture itself there"
    return f"{error.strerror}; give yourself the right to it"


def label_of(picture: Path, classes: Sequence[str]) -> str | None:
    """The class that a picture's path tells: its folder's name, or else the beginning of the file's own.

    The latter where no letter or digit follows: 7_anna.png and 7 (1).jpg are sevens, 10.png and 20251125_031200.jpg
    are nobody's.
    """
    if picture.parent.name in classes:
        return picture.parent.name
    return next((name for name in classes if re.match(rf"{re.escape(name)}(?![^\W_])", picture.name)), None)


def characters_of(path: Path) -> list[Character]:
    """What is written in a picture, heaviest first. Raises UserError: it cannot be read, or is empty."""
    return find_characters(strength(read_grey(path))) or no_ink(path)


def no_ink(path: Path) -> NoReturn:
    raise UserError(f"{path}: no ink found; what is written must be darker or lighter than its paper")


def prepare(path: Path) -> np.ndarray:
    """The picture's one character, or the heaviest, as a network reads it, (28, 28) uint8. Raises UserError."""
    return normalise(characters_of(path)[0].ink)


def prepare_all(paths: Sequence[Path]) -> list[np.ndarray | UserError]:
    """Every picture as `prepare` makes it, or why there is none."""
    return side_by_side(prepare, paths)


def side_by_side(
    do: Callable[[Path], T], paths: Sequence[Path], seen: Callable[[int], object] = lambda n: None
) -> list[T | UserError]:
    """What `do` makes of every path, or the UserError that it raises, on every core, in the order given.

    `seen` is called with the number done since its last call.
    """

    def one(path: Path) -> T | UserError:
        try:
            return do(path)
        except UserError as error:
            return UserError(str(error))  # the one raised holds on to all that was decoded

    found = []
    pool = ThreadPoolExecutor(min(4, machine.cores()))  # more wait for room to decode in
    try:
        for picture in pool.map(one, paths):
            found.append(picture)
            seen(1)
    finally:
        pool.shutdown(cancel_futures=True)
    return found
