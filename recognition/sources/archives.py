"""Files out of archives, read as they come: nothing is unpacked to disk."""

import gzip
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path

from recognition.sources.fetch import CHUNK, Failure, File, Streams

MOST_HEADERS = 1 << 15  # bytes of all headers of a package; the real ones have two dozen files, each a header of 512
PACKAGE_LIMIT = 1 << 30  # bytes that a package may have, and its manager write; the real ones need 60 MB
# What tarfile raises of headers that say nonsense: most of it is not its own TarError.
WRONG_HEADERS = (tarfile.TarError, ValueError, LookupError, ArithmeticError, RecursionError, struct.error)


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
    """A tar archive's bytes as tarfile asks for them, which takes headers of any length and number into memory and goes
    wherever one says. Raises Failure where none of a package is or leads."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self.stream, self.tell, self.taken = stream, stream.tell, 0

    def read(self, n: int) -> bytes:
        self.taken += n
        if n < 0 or self.taken > MOST_HEADERS:
            raise Failure(f"a header of {n} bytes, {self.taken} with those before it")
        return self.stream.read(n)

    def seek(self, place: int) -> int:
        if not self.tell() <= place <= PACKAGE_LIMIT:
            raise Failure(f"a header that leads to byte {place}, back or farther than a package goes")
        return self.stream.seek(place)


def members(archive: Path, wanted: dict[str, File]) -> Streams:
    """The content of the wanted members of a tar archive, gzipped or not; nothing is unpacked to disk."""
    with archive.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if gzipped else raw
        headers = Careful(stream)
        try:
            with tarfile.open(fileobj=headers, mode="r:") as tar:  # pyrefly: ignore[no-matching-overload]
                for member in tar:
                    if member.isfile() and member.name in wanted:
                        headers.seek(member.offset_data)
                        yield wanted[member.name], part(stream, member.size)
        except WRONG_HEADERS as error:
            raise Failure(f"not tar, or damaged: {error}") from error


def part(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    """The next `size` bytes."""
    while size > 0 and (some := stream.read(min(size, CHUNK))):
        yield some
        size -= len(some)
