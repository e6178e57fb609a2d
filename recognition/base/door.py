"""Where a program begins and ends: whatever a user can mend is one line, from the first import on."""

import errno
import os
import re
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

from recognition.base.errors import UserError, one_line

STOPPED = "stopped: nothing finished is lost, the same command goes on from here"
MENDS = {
    errno.ENOSPC: "make room there, and the same command goes on",
    errno.EDQUOT: "make room there, and the same command goes on",
    errno.EROFS: "it has to be writable",
    errno.EACCES: "give yourself the right to it",
    errno.EPERM: "give yourself the right to it",
    errno.ENOENT: "`dvc repro` makes what the project needs",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.EEXIST: "something else has that name; move it away",
    errno.ENOTDIR: "something else has that name; move it away",
    errno.EISDIR: "something else has that name; move it away",
}
SETTINGS = {  # inherited ones that would change what is computed or drawn, or stop it
    "MPLBACKEND": "agg",  # notebooks name one of their own, which matplotlib alone does not find
    "OPENBLAS_NUM_THREADS": "1",  # numpy's, which is asked for nothing large; each thread would reserve memory
}
STOPS = (signal.SIGINT, signal.SIGTERM)
LEAST_ADDRESSES = 3_250_000 << 10  # bytes; with 3,200,000 KiB torch's import may end in words of C++
LESS_BESIDE = "close other programs, or allow this one more"  # of a program whose params have nothing to do with it
NO_MEMORY = r"bad_alloc|[Cc]annot allocate|can't allocate|not enough memory|failed to map segment|out of memory"


def begin(worker: bool = False) -> None:
    """Call it before anything heavy is imported: the lines hold for imports, too, which take a second or more.

    A worker process leaves being stopped to its parent.
    """
    os.environ.update(SETTINGS)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries, without a file's name; what matters becomes a line of our own
    sys.excepthook = last_words
    if worker:
        return
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as of what a shell starts in the background
            signal.signal(number, stop_at_once)
    sys.meta_path.insert(0, Addresses())


class Addresses:
    """For sys.meta_path: raises UserError where torch is about to be imported with too few addresses for its libraries,
    which would end the process in words of C++ that nothing can catch."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if name == "torch" and 0 <= most < LEAST_ADDRESSES:
            raise UserError(
                f"this process may have {most // 10**6} MB of addresses, and torch's libraries alone take more; "
                f"ulimit -v {LEAST_ADDRESSES // 1024} is the least, unlimited is right"
            )


def stop_at_once(*_: object) -> None:
    """While libraries are imported, some of which would take a KeyboardInterrupt for a fault of theirs."""
    os.write(2, b"stopped\n")
    os._exit(1)


def imported() -> None:
    """Call it where the imports end: from here on being stopped is a KeyboardInterrupt, which cleans up."""
    for number in STOPS:
        if signal.getsignal(number) is stop_at_once:
            signal.signal(number, signal.default_int_handler)


def last_words(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
    """For sys.excepthook."""
    line = failure(error)
    if line is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        print(line, file=sys.stderr)


def run(program: Callable[[], object], takes_less: str = LESS_BESIDE) -> None:
    """Run a program's main function; what a user can mend becomes one line on stderr and exit code 1.

    `takes_less` says what of params.yaml makes it take less memory.
    """
    imported()
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        if (line := failure(error, takes_less)) is None:
            raise
        sys.exit(line)


def failure(error: BaseException, takes_less: str = LESS_BESIDE) -> str | None:
    """The line that a user reads of an error; None where it is a fault of our own, which keeps its traceback."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, UserError):
        reason = str(error)
    else:
        reason = gpus(error, takes_less) or memorys(error, takes_less) or systems(error)
    return None if reason is None else f"error: {one_line(reason)}"


def systems(error: BaseException) -> str | None:
    """Of what the operating system refuses, and of packages that are missing."""
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] not in ("recognition", "stages"):
        return (
            f"{sys.executable} has no {error.name}; `make repro` makes an environment that has, and "
            "`. .venv/bin/activate` enters it"
        )
    if isinstance(error, OSError) and error.errno is not None:
        mend = MENDS.get(error.errno, "mend that, and call the same command again")
        return f"{os.fsdecode(error.filename) if error.filename else 'the disk'}: {error.strerror}; {mend}"
    return None


def memorys(error: BaseException, takes_less: str) -> str | None:
    """Of too little memory, in whatever words a library says it."""
    said = isinstance(error, RuntimeError | ImportError | OSError) and re.search(NO_MEMORY, str(error))
    return f"too little memory; {takes_less}" if isinstance(error, MemoryError) or said else None


def gpus(error: BaseException, takes_less: str) -> str | None:
    """Of the GPU or its libraries."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "AcceleratorError") or isinstance(error, ImportError | OSError):
        return None  # it may be half imported, and paths of libraries have such names
    said = next(iter(str(error).splitlines()), "")
    broken = isinstance(error, torch.AcceleratorError | torch.cuda.DeferredCudaCallError)
    cuda = broken or re.search("cuda|cudnn|cublas|nvidia|nvrtc", str(error), re.IGNORECASE)
    if isinstance(error, torch.OutOfMemoryError) or (cuda and "out of memory" in said):
        return f"the GPU's memory is full; {takes_less}, or device: cpu in params.yaml computes on the processor"
    if cuda:
        return f"the GPU failed: {said[:200]}; device: cpu in params.yaml computes on the processor"
    return None
