"""Files from web servers that may be slow, silent or endless."""

import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from recognition.sources.archives import gunzip
from recognition.sources.fetch import CHUNK, Failure, File, Progress, Source, Streams

AGENT = "recognition-study/1 (a DVC pipeline)"  # some mirrors answer Python's own with 403


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
                yield file, gunzip(steady(packed, timeout_s), file.bytes)


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
            request = urllib.request.Request(url, headers={"User-Agent": AGENT})
            future.set_result(urllib.request.urlopen(request, timeout=timeout_s))
        except ValueError as error:  # of an address that is none, as a server may send
            future.set_exception(Failure(f"no answer from {url}: {error}"))
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
