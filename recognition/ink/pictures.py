"""Pictures of one handwritten character each: which there are, their labels, and each as 28x28. No torch.

Three steps, each of which can be looked at: `read_grey` (file to grey values), `find_ink` (grey values to the strength
of the ink of the one character), `normalise` (ink to 28x28). `prepare` does all of it.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from recognition.base import machine
from recognition.base.errors import UserError
from recognition.ink.decode import read_grey
from recognition.ink.find import find_ink
from recognition.ink.normalise import normalise

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


def find_pictures(paths: Iterable[Path], complain: Callable[[str], object]) -> list[Path]:
    """Files as they are given, whatever their suffix; folders recursively, sorted, without hidden files and folders.

    `complain` is told, in a line each, of what has a picture's name in a folder and cannot be one, and of folders that
    may not be entered. Raises UserError for a path that is not there, or not a file.
    """
    pictures: list[Path] = []
    for path in paths:
        if path.is_dir():
            pictures += sorted(_pictures_in(path, complain))
        elif path.is_file():
            pictures.append(path)
        elif path.exists():
            raise UserError(f"{path}: neither a file nor a folder; name a picture or a folder of pictures")
        else:
            raise UserError(f"{path}: no such file or folder; name a picture or a folder of pictures")
    return pictures


def _pictures_in(root: Path, complain: Callable[[str], object]) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        complain(f"{os.fsdecode(error.filename)}: {error.strerror}; give yourself the right to enter it")

    for folder, inside, names in os.walk(root, onerror=refused):
        inside[:] = [name for name in inside if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_file():
                yield path
            else:
                what = "a link that leads nowhere" if path.is_symlink() else "neither a file nor a folder"
                complain(f"{path}: {what}; put the picture itself there")


def label_of(picture: Path, classes: Sequence[str]) -> str | None:
    """The class that a picture's path tells: its folder's name, or else the beginning of the file's own.

    The latter where no letter or digit follows: 7_anna.png and 7 (1).jpg are sevens, 10.png and 20251125_031200.jpg
    are nobody's.
    """
    if picture.parent.name in classes:
        return picture.parent.name
    return next((name for name in classes if re.match(rf"{re.escape(name)}(?![^\W_])", picture.name)), None)


def prepare(path: Path) -> np.ndarray:
    """The picture at `path` as a network reads it, (28, 28) uint8. Raises UserError: it cannot be read, or is empty."""
    ink = find_ink(read_grey(path))
    if not ink.any():
        raise UserError(f"{path}: no ink found; the picture must show one character, darker or lighter than its paper")
    return normalise(ink)


def prepare_all(paths: Sequence[Path], seen: Callable[[int], object] = lambda n: None) -> list[np.ndarray | UserError]:
    """Every picture as `prepare` makes it, or why there is none, side by side on every core, in the order given.

    `seen` is called with the number done since its last call.
    """

    def one(path: Path) -> np.ndarray | UserError:
        try:
            return prepare(path)
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
