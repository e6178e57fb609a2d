"""Processes of this program: each is started whole or not at all, and ends with the one that started it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, util

from recognition.base.door import STOPS

whole = threading.Lock()


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


def end() -> None:
    """As this process ends, before it ends the processes that it knows. Who stops it again has to wait, too."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    whole.acquire()


util.Finalize(None, end, exitpriority=0)


@contextmanager
def unstopped() -> Iterator[None]:
    """Being stopped waits for the end of it, in the main thread: others are never stopped."""
    came: list[int] = []
    over = False

    def later(handler: Callable) -> Callable:
        return lambda number, frame: handler(number, frame) if over else came.append(number)

    mine = STOPS if threading.current_thread() is threading.main_thread() else ()
    before = {number: handler for number in mine if callable(handler := signal.getsignal(number))}
    try:
        for number, handler in before.items():
            signal.signal(number, later(handler))
        yield
    finally:
        over = True  # from here on all handlers do what they did, should a signal come before the last is restored
        for number, handler in before.items():
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
