"""Where tasks run side by side: processes of this machine. Another place is the module dask."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import NamedTuple

from recognition.base.errors import UserError


class Pool(NamedTuple):
    submit: Callable[..., Future]  # (function, *arguments)
    provide: Callable[..., object]  # (data): to what gives them in a task, as one of its arguments


@contextmanager
def pool(n: int, provide: Callable) -> Iterator[Pool]:
    """`n` processes of this machine. They end with this one, however it ends.

    Raises UserError where one of them ends abruptly.
    """
    executor = ProcessPoolExecutor(n, mp_context=get_context("spawn"), initializer=begin_worker)
    try:
        yield Pool(executor.submit, provide)
    except BaseException as error:
        children = list((executor._processes or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.kill()
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a worker process ended abruptly, as when memory runs out; lower sweep.workers in params.yaml; "
                "what is finished is kept, and the same command goes on"
            ) from None
        raise
    executor.shutdown()


def begin_worker() -> None:
    """A worker's beginning: leave Ctrl-C to the parent, and end when the parent does, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
