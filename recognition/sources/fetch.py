"""A verified copy of the files that are wanted, from the first source that has them.

A source is asked for files and answers with bytes; `fetch` alone decides whether they are the right ones, by their
sha256. So no source has to be trusted, and whichever serves, the result is the same.
"""

import errno
import hashlib
import re
import shutil
import ssl
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple, Protocol
from urllib.error import HTTPError, URLError

from filelock import FileLock

from recognition.base import files
from recognition.base.errors import OneLine, UserError, one_line

CHUNK = 1 << 14  # bytes; gunzip of one is 16 MB at most, however hard it was packed
LONGEST_S = 1800.0  # seconds that one source may take, all together; 12 MB come in them at 7 KB a second


class File(NamedTuple):
    """One file of a data set, as it is when unpacked."""

    name: str
    sha256: str  # in hexadecimal
    bytes: int


class Failure(OneLine):
    """Why a source gave no right file, in a few words. Not the user's concern while another source may have it."""


Progress = Callable[[str, int, int | None], None]  # whose bytes, how many so far, of how many (None: unknown)
Streams = Generator[tuple[File, Iterator[bytes]]]  # each stream is to be read before the next is asked for


class Source(Protocol):
    """A place that may have the files. What it yields is unchecked: possibly wrong, short or endless."""

    @property
    def name(self) -> str: ...

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        """Yield the unpacked content of the wanted files that it has. `scratch` is an empty folder, removed afterwards.

        After `timeout_s` seconds without a byte, or with fewer than CHUNK from a server, it gives up. What it calls
        `progress` for as it goes, with every few bytes, raises Failure after LONGEST_S. It may raise Failure or any of
        UNFIT.
        """
        ...


UNFIT = (OSError, EOFError, HTTPException, zlib.error)  # what reading from a source may raise
FULL = (errno.ENOSPC, errno.EDQUOT)


def fetch(
    wanted: Sequence[File], sources: Iterable[Source], store: Path, target: Path, timeout_s: float, progress: Progress
) -> list[str]:
    """Put the wanted files, each verified by its sha256, into the folder `target`; return the names of who served.

    Verified files are kept in the folder `store` under their sha256 and are taken from there first: a killed run goes
    on where it was, and a second one needs no network (it returns no name and does not even look at `sources`).
    `target` gets copies, not links: what is later done to one of them cannot reach the store. It is not touched before
    every file is there. The files are held in memory, all at once.

    Raises UserError, with every source's reason, when a file is nowhere, and OSError, with the name of what cannot be
    written, when `store` or `target` cannot.
    """
    try:
        with locked(store, progress):
            contents = {file: content for file in wanted if (content := kept(store, file)) is not None}
            served, failures = [], []
            asked = iter(sources)
            while missing := [file for file in wanted if file not in contents]:
                if (source := next(asked, None)) is None:
                    lacking = f"{len(missing)} of {len(wanted)} files that no source has"
                    raise UserError(f"{target}: {lacking}: {'; '.join(failures)}")
                try:
                    with closing(received(source, missing, store, timeout_s, progress)) as found:
                        for file, content in found:
                            files.write_bytes(store / file.sha256, content)
                            contents[file] = content
                            served += [source.name] if source.name not in served else []
                except Failure as failure:
                    failures.append(f"{source.name}: {failure}")
            for part in target.glob(".*.part"):  # of a killed run
                part.unlink()
            for file, content in contents.items():
                files.write_bytes(target / file.name, content)
            return served
    except OSError as error:  # of a full disk it may have no name
        raise OSError(error.errno, error.strerror, str(error.filename or store)) from error


@contextmanager
def locked(store: Path, progress: Progress) -> Iterator[None]:
    """Hold the store for one process at a time (the next finds the files there), cleared of what a killed one left.

    The lock falls open with the process that holds it, also when that is killed.
    """
    store.mkdir(parents=True, exist_ok=True)

    def waiting() -> bool:
        progress("waiting for another download", 0, None)
        return False  # never gives up

    with FileLock(store / "lock", fallback_to_soft=False).acquire(poll_interval=0.1, cancel_check=waiting):
        for stray in store.glob(".*"):
            if stray.is_dir():
                shutil.rmtree(stray, ignore_errors=True)
            else:
                stray.unlink()
        yield


def kept(store: Path, file: File) -> bytes | None:
    """A file from the store, or None if it is not there or no longer what it was."""
    try:
        with (store / file.sha256).open("rb") as stream:
            return verified(file, chunks(stream))
    except (FileNotFoundError, Failure):
        return None


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK), b"")


def received(
    source: Source, wanted: Sequence[File], store: Path, timeout_s: float, progress: Progress
) -> Generator[tuple[File, bytes]]:
    """Yield verified files from one source. Raises Failure, whatever went wrong, at the first that is not right, and
    OSError where there was no room in the store for what the source needs to write."""
    total, done, lacking = sum(file.bytes for file in wanted), 0, set(wanted)
    progress = timed(progress)
    try:
        with (
            TemporaryDirectory(dir=store.resolve(), prefix=".", ignore_cleanup_errors=True) as scratch,
            closing(source.streams(wanted, Path(scratch), timeout_s, progress)) as streams,
        ):
            for file, stream in streams:
                content = verified(file, stream, lambda n, done=done: progress(source.name, done + n, total))
                yield file, content
                done += len(content)
                lacking -= {file}
    except UNFIT as error:
        if isinstance(error, OSError) and error.errno in FULL:  # which no other source mends
            raise OSError(error.errno, error.strerror, str(store)) from error
        raise Failure(reason(error, timeout_s)) from error
    if lacking:
        raise Failure("does not have all of the files")


def timed(progress: Progress) -> Progress:
    """It raises Failure once LONGEST_S have gone: one that drips just fast enough would hold us for hours."""
    end = time.monotonic() + LONGEST_S

    def told(whose: str, done: int, total: int | None) -> None:
        if time.monotonic() > end:
            raise Failure(f"not done after {LONGEST_S:g} s")
        progress(whose, done, total)

    return told


def verified(file: File, stream: Iterable[bytes], progress: Callable[[int], None] = lambda n: None) -> bytes:
    """The whole content of `file`. Raises Failure if the stream holds anything else, one chunk too late at most."""
    content = bytearray()
    for chunk in stream:
        content += chunk
        if len(content) > file.bytes:
            raise Failure(f"{file.name}: more than its {file.bytes} bytes")
        progress(len(content))
    if len(content) < file.bytes:
        raise Failure(f"{file.name}: {len(content)} bytes of {file.bytes}")
    if (sha256 := hashlib.sha256(content).hexdigest()) != file.sha256:
        raise Failure(f"{file.name}: sha256 {sha256[:8]}…, not {file.sha256[:8]}…")
    return bytes(content)


def reason(error: BaseException, timeout_s: float) -> str:
    """An exception in a few words on one line."""
    match error:
        case HTTPError(code=code, reason=text):
            return f"{code} {text}"
        case URLError(reason=BaseException() as cause):
            return reason(cause, timeout_s)
        case ssl.SSLCertVerificationError(verify_message=text):
            return with_mend(text, "SSL_CERT_FILE=FILE.pem")
        case TimeoutError():
            return f"silent for {timeout_s:g} s"
        case zlib.error():
            return "not gzip, or damaged"
        case OSError(strerror=str(text)):
            return text
    return one_line(str(error)) or type(error).__name__


def with_mend(words: str, mend: str) -> str:
    """What a source says; where that is of a certificate, with how its program is told of a network's own."""
    if not re.search(r"[Cc]ertificate|CERT|LEAF_SIGNATURE", words):
        return words
    return f"{words}; your network's own: {mend}"  # short: with all other sources' it is one line
