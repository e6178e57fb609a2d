"""Files out of archives, read as they come: nothing is unpacked to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path

from recognition.sources.fetch import CHUNK, Failure, File, Streams, chunks

MOST_READ = 1 << 20  # bytes that are read of an archive at once
MOST_MEMBERS = 10_000  # files that a package may have; the real ones have a dozen
PACKAGE_LIMIT = 1 << 30  # bytes that a package may have, and its manager write; the real ones need 60 MB


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


class Careful:
    """A tar archive's bytes. Raises Failure where a header would be read that no package has: tarfile takes a name or a
    note of any length into memory."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self.stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, n: int) -> bytes:
        if n > MOST_READ:
            raise Failure(f"a header of {n} bytes")
        return self.stream.read(n)


def members(archive: Path, wanted: dict[str, File]) -> Streams:
    """The content of the wanted members of a tar archive, gzipped or not; nothing is unpacked to disk."""
    with archive.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if gzipped else raw
        with tarfile.open(fileobj=Careful(stream), mode="r:") as tar:  # pyrefly: ignore[no-matching-overload]
            for number, member in enumerate(tar):
                if member.offset_data + member.size > PACKAGE_LIMIT:
                    raise Failure(f"{member.name}: {member.size} bytes, more than a package may have")
                if number >= MOST_MEMBERS:
                    raise Failure(f"more than {MOST_MEMBERS} files")
                if member.isfile() and member.name in wanted and (content := tar.extractfile(member)):
                    yield wanted[member.name], chunks(content)
