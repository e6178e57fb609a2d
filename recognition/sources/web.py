"""Files from web servers that may be slow, silent or endless."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import TypeVar

from recognition.sources.archives import gunzip
from recognition.sources.fetch import CHUNK, Failure, File, Progress, Source, Streams

AGENT = "recognition-study/1 (a DVC pipeline)"  # some mirrors answer Python's own with 403

T = TypeVar("T")


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
    addresses would cost eight times as much.
    """

    def ask() -> HTTPResponse:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": AGENT})
            return urllib.request.urlopen(request, timeout=timeout_s)
        except ValueError as error:  # of an address that is none, as a server may send
            raise Failure(f"no answer from {url}: {error}") from error

    return within(timeout_s, ask)


def within(seconds: float, ask: Callable[[], T]) -> T:
    """What a function returns within so many seconds. Raises TimeoutError, and leaves one that hangs behind in its
    thread."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(seconds)


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
