"""Processes of this program: each is started whole or not at all, and ends with the one that started it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, util

from recognition.base.door import STOPS

whole = threading.Lock()
util.Finalize(None, whole.acquire, exitpriority=0)  # as this process ends, before it ends those that it knows


@contextmanager
def starting() -> Iterator[None]:
    """A process is started in it, to which Ctrl-C is left by this one: its imports would end in a traceback.

    So would one that is started by half: being stopped waits for the end of it, and so does this process's end.
    """
    with whole, unstopped():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the process inherits
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def unstopped() -> Iterator[None]:
    """Being stopped waits for the end of it, in the main thread: others are never stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    mine = [number for number in STOPS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in mine]
    try:
        yield
    finally:
        for number, handler in zip(mine, before, strict=True):
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def begin_worker() -> None:
    """A worker's beginning: end when the parent does, even by kill -9."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
