"""A process of its own that reads: the server answers while it loads torch, and can end what takes too long."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any

from recognition.base import door
from recognition.base.errors import UserError
from recognition.base.workers import begin_worker, starting
from recognition.page.server import BUSY, Refused, told

START_S = 60.0  # for its imports, on a busy machine
WAIT_S = 60.0  # for that, and for others' questions
LIMIT_S = 20.0  # for an answer

Answers = dict[str, Callable]  # by the name of the question; what is called gives what JSON can say


class Worker:
    """Answers one question at a time: `load` is called in its process, and gives what answers them."""

    def __init__(self, load: Callable[[], Answers]) -> None:
        self.load = load
        self.ready, self.loading = False, True
        self.failed = ""  # the line of why it did not load, the last time
        self.ends = ExitStack()  # what ends the process, as far as there is one
        self.turn = Lock()
        self.turn.acquire()
        Thread(target=self._load, daemon=True).start()

    def ask(self, question: str, *arguments: object) -> Any:
        """Raises UserError as the answer does, and Refused where there is none in time."""
        if not self.turn.acquire(timeout=WAIT_S):
            why = "the network is still loading" if self.loading else "many pictures are being read"
            raise Refused(BUSY, f"{why}; try again in a moment")
        with self._its_turn():
            if not self.ready:
                self._begin()
            self.pipe.send((question, arguments))
            if not self.pipe.poll(LIMIT_S):
                raise Refused(BUSY, f"reading it took over {LIMIT_S:g} seconds")
            line, answer = self.pipe.recv()
        if line is not None:
            raise UserError(line)
        return answer

    @contextmanager
    def _its_turn(self) -> Iterator[None]:
        """Whatever goes wrong in it ends the process; the next question begins another."""
        try:
            yield
        except Exception as error:
            if isinstance(error, EOFError | ConnectionError):
                error = UserError("what reads has ended abruptly, as when memory runs out; try again")
            if self.loading:
                self.failed = str(told(error))
            self.ready = self.loading = False
            self.ends.close()
            raise error from None
        finally:
            self.turn.release()

    def _load(self) -> None:
        with suppress(Exception), self._its_turn():  # the page is told, and so is whoever asks next
            self._begin()

    def _begin(self) -> None:
        self.loading = True
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.ends.callback(self.pipe.close)
        with theirs:
            resource_tracker.ensure_running()  # its start, which is part of the first process's, would let Ctrl-C in
            self.process = context.Process(target=serve, args=(theirs, self.load), daemon=True)
            with starting():
                self.process.start()
        self.ends.callback(self.process.join)
        self.ends.callback(self.process.kill)
        if not self.pipe.poll(START_S):
            raise Refused(BUSY, f"loading took over {START_S:g} seconds; try again")
        if (line := self.pipe.recv()) is not None:
            raise UserError(line)
        self.ready, self.loading, self.failed = True, False, ""


def serve(pipe: Connection, load: Callable[[], Answers]) -> None:
    """In the process: a question after the other, until the server is gone."""
    begin_worker()
    sys.meta_path.insert(0, door.Addresses())
    with suppress(EOFError, ConnectionError):
        try:
            answers = load()
        except Exception as error:
            pipe.send(str(told(error)))
            return
        pipe.send(None)
        while True:
            question, arguments = pipe.recv()
            try:
                said = None, answers[question](*arguments)
            except Exception as error:
                said = str(told(error)), None
            pipe.send(said)
