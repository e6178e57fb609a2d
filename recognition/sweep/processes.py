"""Where tasks run side by side: processes of this machine. Another place is the module dask."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import NamedTuple

from recognition.base.errors import UserError
from recognition.base.workers import begin_worker, starting


class Pool(NamedTuple):
    submit: Callable[..., Future]  # (function, *arguments)
    provide: Callable[..., object]  # (data): to what gives them in a task, as one of its arguments


@contextmanager
def pool(n: int, provide: Callable) -> Iterator[Pool]:
    """`n` processes of this machine. They end with this one, however it ends.

    Raises UserError where one of them ends abruptly.
    """
    try:
        executor = ProcessPoolExecutor(n, mp_context=get_context("spawn"), initializer=begin_worker)
    except OSError as error:
        raise UserError(
            f"/dev/shm: {error.strerror}; worker processes need to write there: make room, or make it writable"
        ) from None

    def submit(function: Callable, *arguments: object) -> Future:
        with starting():  # as it may
            return executor.submit(function, *arguments)

    try:
        yield Pool(submit, provide)
    except BaseException as error:
        for child in list((executor._processes or {}).values()):
            child.kill()
        # Waits for its thread: one that closes its pipe while Python ends is a traceback.
        executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a worker process ended abruptly, as when memory runs out; lower sweep.workers in params.yaml; "
                "what is finished is kept, and the same command goes on"
            ) from None
        raise
    executor.shutdown()
