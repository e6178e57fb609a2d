"""Files out of archives, read as they come: nothing is unpacked to disk."""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from recognition.sources.fetch import CHUNK, Failure, File, Streams, chunks

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


def members(archive: Path, wanted: dict[str, File]) -> Streams:
    """The content of the wanted members of a tar archive, read in place: nothing is unpacked to disk."""
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if member.offset_data + member.size > PACKAGE_LIMIT:
                raise Failure(f"{member.name}: {member.size} bytes, more than a package may have")
            if member.isfile() and member.name in wanted and (stream := tar.extractfile(member)):
                yield wanted[member.name], chunks(stream)
