"""Where pictures of Greek letters come from: the user, Google Drive, Omniglot, or this machine, which renders them.

A source yields pictures of whatever letters it has, or says in a `Failure` why it has none.
"""

import errno
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from recognition.base import alphabet, files
from recognition.base.errors import UserError, quoted, shortened
from recognition.greek import hands
from recognition.ink import dataset
from recognition.ink.characters import find_characters
from recognition.ink.decode import read_grey
from recognition.ink.paper import strength
from recognition.ink.pictures import SUFFIXES, find_pictures
from recognition.sources.fetch import FULL, LONGEST_S, UNFIT, Failure, Progress, reason, timed, with_mend
from recognition.sources.web import answer, steady, within

DRIVE = "https://drive.google.com/drive/folders/1c4XRiisC3ZAQLG-Pc7yR7W6doxjPS5AN"  # the original report's
DRIVE_PICTURES = 5000  # at most; 24 letters by 200 people
DRIVE_PICTURE_BYTES = 1 << 25  # of one, at most; a phone's photo has 10 MB
DRIVE_BYTES = 1 << 30  # of all, at most
OMNIGLOT_BYTES = 1 << 25  # of the archive, at most; it has 9.5 MB
# What is this machine's fault, not a source's; of a connection, urllib and requests hide the number.
OURS = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
FACES = [  # of those with Greek letters that matplotlib ships; LastResortHE draws one box for all of them
    ("DejaVu Sans", "DejaVuSans", ["", "-Bold", "-Oblique", "-BoldOblique"]),
    ("DejaVu Sans Mono", "DejaVuSansMono", ["", "-Bold", "-Oblique", "-BoldOblique"]),
    ("DejaVu Serif", "DejaVuSerif", ["", "-Bold", "-Italic", "-BoldItalic"]),
    ("STIX General", "STIXGeneral", ["", "Bol", "Italic", "BolIta"]),
]
FORMS = {"epsilon": "ϵ", "theta": "ϑ", "phi": "ϕ"}  # the other form that many a hand writes
EM = 200  # pixels, the height of a rendered line


class Picture(NamedTuple):
    """A picture of one letter, on its way into a data set."""

    letter: str
    name: str  # of its file, without suffix
    writer: str  # or typeface, or made-up hand; "" where unknown
    origin: str  # what it was at its source
    grey: np.ndarray  # (H, W) uint8


Complain = Callable[[str], object]  # is told, in a line, of a picture that cannot be used


def folder(root: Path, complain: Complain) -> list[Picture]:
    """The user's own pictures: root/<letter>/*. Raises UserError where a picture's path names no letter."""
    there = find_pictures([root] if root.exists() else [])
    for line in there.complaints() + there.notes():
        complain(line)
    found = []
    for path in there.pictures:
        letter = alphabet.named_in(path.relative_to(root))
        if letter is None:
            known = ", ".join(alphabet.NAMES)
            raise UserError(f"{path}: its folder names no Greek letter; move it into one named {known}")
        found.append((letter, path.stem, path.as_posix(), path))
    return readable(found, complain)


def drive(kept: Path, scratch: Path, timeout_s: float, progress: Progress, complain: Complain) -> list[Picture]:
    """The report's Google Drive folder, whatever its layout: the letter is the one that a picture's path names.

    What has come is kept in the folder `kept` by Drive's own name for it, so that a quota met half-way costs nothing:
    letters that are whole are used, and the next try asks for the rest.
    """
    import gdown  # 0.3 s

    settings = {"quiet": True, "use_cookies": False, "timeout": timeout_s}
    end = time.monotonic() + LONGEST_S
    wanted: list[tuple[str, PurePosixPath, str]] = []
    found, taken, failure = [], 0, ""
    try:
        listed: list[Any] = within(LONGEST_S, partial(gdown.download_folder, DRIVE, skip_download=True, **settings))
        wanted = drives_pictures(listed)
        for number, (name, path, letter) in enumerate(wanted):
            progress("Google Drive, pictures", number, len(wanted))
            copy = kept / f"{name}{path.suffix.lower()}"
            if not copy.exists():
                part = scratch / copy.name
                told = partial(refuse_excess, path, taken)
                ask = partial(gdown.download, id=name, output=str(part), progress=told, **settings)
                within(end - time.monotonic(), ask)
                if is_picture(part):  # a page that tells of a quota is not kept
                    files.write_bytes(copy, part.read_bytes())
                else:
                    copy = part
            taken += copy.stat().st_size
            found.append((letter, path.stem, path.as_posix(), copy))
    except Failure:
        raise
    except Exception as error:  # gdown and what it rests on raise whatever a changed page makes them stumble over
        raise_ours(error, scratch)
        failure = f"not done after {LONGEST_S:g} s" if time.monotonic() > end else summary(error, timeout_s)
        if not found:
            raise Failure(failure) from error
    if failure:
        lacking = {letter for _, _, letter in wanted[len(found) :]}
        told = (
            f"{failure}; {len(found)} of its {len(wanted)} pictures came and are kept; the next try asks for the rest"
        )
        found = [one for one in found if one[0] not in lacking]
        if not found:
            raise Failure(told)
        complain(f"drive: {told}, of {', '.join(sorted(lacking))}")
    return readable(found, complain)


def drives_pictures(listed: list[Any]) -> list[tuple[str, PurePosixPath, str]]:
    """(Drive's name, path, letter) of what is a picture in a listing. Raises Failure for one that asks for anything
    else."""
    paths = [PurePosixPath(file.path) for file in listed]
    for file, path in zip(listed, paths, strict=True):
        if path.is_absolute() or ".." in path.parts:
            raise Failure(f"lists {path}, which climbs out of the folder")
        if not re.fullmatch(r"[\w-]{1,100}", file.id):
            raise Failure(f"calls {path} {quoted(file.id)}, which is none of its names")
    wanted = [
        (file.id, path, letter)
        for file, path in zip(listed, paths, strict=True)
        if path.suffix.lower() in SUFFIXES and (letter := alphabet.named_in(path))
    ]
    if not wanted:
        raise Failure(f"none of its {len(listed)} files is a picture whose path names a Greek letter")
    if len(wanted) > DRIVE_PICTURES:
        raise Failure(f"lists {len(wanted)} pictures, more than {DRIVE_PICTURES}")
    return wanted


def raise_ours(error: Exception, scratch: Path) -> None:
    """Of a full disk no other source makes up: its letters would be other data, and nobody would be told why."""
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, OSError) and error.errno in OURS:
        raise OSError(error.errno, error.strerror, error.filename or str(scratch)) from error


def is_picture(path: Path) -> bool:
    try:
        return read_grey(path).size > 0
    except UserError:
        return False


def refuse_excess(path: PurePosixPath, taken: int, so_far: int, announced: int | None) -> None:
    """Raise Failure when a picture from Drive, or it with the `taken` bytes of those before, is larger than any is."""
    size = max(so_far, announced or 0)
    if size > DRIVE_PICTURE_BYTES:
        raise Failure(f"{path} is larger than {DRIVE_PICTURE_BYTES} bytes")
    if taken + size > DRIVE_BYTES:
        raise Failure(f"its pictures are larger than {DRIVE_BYTES} bytes, all together")


def omniglot(scratch: Path, timeout_s: float, progress: Progress, complain: Complain) -> list[Picture]:
    """Omniglot's Greek alphabet: 24 lower-case letters by 20 people with a mouse (B. Lake et al., Science, 2015)."""
    from torchvision.datasets import Omniglot  # imports torch: seconds
    from torchvision.datasets.utils import check_integrity, extract_archive

    archive, progress = scratch / "images_background.zip", timed(progress)
    try:
        with answer(f"{Omniglot.download_url_prefix}/{archive.name}", timeout_s) as stream, archive.open("wb") as file:
            for chunk in steady(stream, timeout_s):
                file.write(chunk)
                progress("Omniglot", file.tell(), None)
                if file.tell() > OMNIGLOT_BYTES:
                    raise Failure(f"more than {OMNIGLOT_BYTES} bytes")
    except UNFIT as error:
        raise_ours(error, scratch)
        raise Failure(reason(error, timeout_s)) from error
    if not check_integrity(archive, Omniglot.zips_md5[archive.stem]):
        raise Failure(f"{archive.name}: not the archive that torchvision knows")
    extract_archive(archive, scratch)
    found = []
    for number, letter in enumerate(alphabet.NAMES, 1):  # characters 01 to 24 are alpha to omega
        for path in sorted((scratch / archive.stem / "Greek" / f"character{number:02}").glob("*.png")):
            drawer = f"drawer_{path.stem.rpartition('_')[2]}"  # of 0394_07
            found.append((letter, drawer, f"{path.parent.name}/{path.name}", path))
    if not found:
        raise Failure("no Greek alphabet in it")
    return readable(found, complain)


def rendered(n: int) -> list[Picture]:
    """Every letter by each of `n` hands that chance makes up, and in every Greek face that matplotlib ships."""
    return [
        Picture(letter, f"hand-{hand:03}", f"hand {hand}", f"hand {hand}", hands.write(letter, hand))
        for hand in range(1, n + 1)
        for letter in alphabet.NAMES
    ] + printed()


def printed() -> list[Picture]:
    """Every letter in every Greek face that matplotlib ships. A typeface, in its four styles, is one writer."""
    from matplotlib import get_data_path

    found = []
    for writer, stem, styles in FACES:
        for style in styles:
            face = Path(get_data_path()) / "fonts" / "ttf" / f"{stem}{style}.ttf"
            font = ImageFont.truetype(face, EM, layout_engine=ImageFont.Layout.BASIC)
            for letter, symbol in alphabet.SYMBOLS.items():
                for form in (symbol, *FORMS.get(letter, "")):
                    page = Image.new("L", (EM * 8 // 5, EM * 9 // 5), 255)
                    ImageDraw.Draw(page).text((EM * 3 // 10, EM // 5), form, font=font, fill=0)
                    name = face.stem if form == symbol else f"{face.stem}-form2"
                    found.append(Picture(letter, name, writer, f"{face.name} U+{ord(form):04X}", np.asarray(page)))
    return found


def readable(found: list[tuple[str, str, str, Path]], complain: Complain) -> list[Picture]:
    """Of (letter, name, origin, file) those that can be read, with the writers that their names tell."""
    pictures = []
    writers = dataset.writers([(letter, name) for letter, name, _, _ in found])
    for (letter, name, origin, path), writer in zip(found, writers, strict=True):
        try:
            grey = read_grey(path)
            if not find_characters(strength(grey)):
                raise UserError("no ink found")
            pictures.append(Picture(letter, name, writer, origin, grey))
        except UserError as error:
            complain(f"{origin}: {str(error).removeprefix(f'{path}: ')}")
    if not pictures:
        raise Failure("no pictures there" if not found else f"none of its {len(found)} pictures can be read")
    return pictures


def summary(error: Exception, timeout_s: float) -> str:
    """What went wrong at the library's boundary, on one line."""
    text = reason(error, timeout_s).split("\n")[0]
    if cause := re.search(r"(?:Failed to (?:resolve|establish)|certificate verify failed)[^\(\[]*", text):
        text = cause[0].strip()
    return with_mend(shortened(text, 200), "REQUESTS_CA_BUNDLE=FILE.pem")


def file_names(pictures: list[Picture]) -> list[str]:
    """A file name for each picture, without suffix, of small letters, digits and _: its own, or with a number added."""
    taken, names = set(), []
    for picture in pictures:
        plain = re.sub(r"[^a-z0-9]+", "_", picture.name.lower()).strip("_") or "picture"
        numbered = (f"{plain}_{n}" for n in count(2))
        name = next(name for name in chain([plain], numbered) if (picture.letter, name) not in taken)
        taken.add((picture.letter, name))
        names.append(name)
    return names


def gather(sources: Sequence[tuple[str, Callable[[], list[Picture]]]], complain: Complain) -> list[tuple[str, Picture]]:
    """(source, picture) of every letter, each letter from the first source that has it. Asks no source in vain."""
    found: list[tuple[str, Picture]] = []
    for name, ask in sources:
        there = {picture.letter for _, picture in found}
        if len(there) == len(alphabet.NAMES):
            break
        try:
            found += [(name, picture) for picture in ask() if picture.letter not in there]
        except Failure as failure:
            complain(f"{name}: {failure}")
    return found
