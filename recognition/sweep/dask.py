"""Tasks on a Dask cluster, whatever that runs on: Slurm, Kubernetes, a few machines in a room.

The only module that imports distributed, which requirements-cluster.txt brings.
"""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock

from distributed import Client, KilledWorker, Worker, WorkerPlugin, get_worker
from distributed.comm import CommClosedError, get_address_host_port
from distributed.security import Security

from recognition.base import determinism, fingerprints
from recognition.base.errors import UserError, one_line
from recognition.sweep.processes import Pool

PATIENCE_S = 8  # seconds for a scheduler to answer, and for a first worker to be there
UNPACKING = Lock()  # a worker may have several threads


class WorkerSetup(WorkerPlugin):
    """What every worker does before its first task, also one that joins late: same code, same arithmetic, same data.

    The data comes with it as bytes: data that is scattered may be left with one copy, which a lost worker takes along.
    """

    def __init__(self, name: str, program: str, device: str, packed: bytes) -> None:
        self.name, self.device = name, device
        self.program = Path(program).relative_to(fingerprints.ROOT)  # a worker has a root of its own
        self.code = fingerprints.code(program)
        self.machine = fingerprints.machine(device)
        self.packed = packed
        self.data: object = None  # unpacked, by the first task
        self.refusal = ""

    def setup(self, worker: Worker) -> None:
        try:
            self.check(worker.name)
        except Exception as error:
            self.refusal = (
                one_line(str(error)) or type(error).__name__
            )  # one that joins late is given tasks all the same
            raise

    def check(self, worker: object) -> None:
        determinism.pin_arithmetic_once()
        import torch  # after the pinning

        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError(f"the worker {worker} has no GPU; set sweep.device: cpu, or leave it out")
        here = fingerprints.machine(self.device)
        if other := [there for there in self.machine if there not in here]:
            raise UserError(
                f"the worker {worker} has {', '.join(own for own in here if own not in self.machine)} where "
                f"{', '.join(other)} computes here; give it the same, or leave it out"
            )
        found = dict(fingerprints.code(fingerprints.ROOT / self.program))
        if other := sorted(name for name, sha256 in self.code if found.get(name) != sha256):
            others = f" and {len(other) - 3} more files" if len(other) > 3 else ""
            raise UserError(
                f"the worker {worker} has another version of {', '.join(other[:3])}{others}; give it this commit"
            )


def data_on_worker(name: str, unpack: Callable[[bytes], object]) -> object:
    """In a task, on a worker: the data that came with the setup of this name. Raises UserError if it failed."""
    setup = get_worker().plugins[name]
    assert isinstance(setup, WorkerSetup)
    if setup.refusal:
        raise UserError(setup.refusal)
    with UNPACKING:
        if setup.data is None:
            setup.data, setup.packed = unpack(setup.packed), b""
    return setup.data


def certificates(security: Security) -> ssl.SSLContext:
    """What a tls:// address takes, as Dask's own configuration names it. Raises UserError where it names none."""
    try:
        context = security.get_connection_args("client").get("ssl_context")
    except OSError as error:  # ssl's own errors are such, too
        raise UserError(f"the certificates that Dask's configuration names cannot be read: {error}") from None
    if context is None:
        raise UserError(
            "tls:// wants distributed.comm.tls: ca-file, client.cert and client.key in Dask's configuration"
        )
    return context


def greet(address: str, context: ssl.SSLContext | None) -> None:
    """Raise OSError where nothing greets first, as a Dask scheduler does: a Client would wait for that without end."""
    with (
        socket.create_connection(get_address_host_port(address), timeout=PATIENCE_S / 2) as plain,
        context.wrap_socket(plain) if context else plain as connection,
    ):
        if not connection.recv(1):
            raise ConnectionError("closed without a word")


@contextmanager
def workers(
    address: str, program: str, device: str, pack: Callable[..., bytes], unpack: Callable[[bytes], object]
) -> Iterator[Pool]:
    """The workers of the Dask scheduler at `address`, tcp:// or tls://host:port, to compute functions of the file
    `program` on each one's `device`.

    A task whose worker is lost is computed again by another. Raises UserError where no scheduler or worker answers, or
    where they cannot go on.
    """
    for name in "distributed", "distributed.client":  # what matters becomes one line of our own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = f"params.yaml: sweep.scheduler: {address}"
    try:
        security = Security()
        greet(address, certificates(security) if address.startswith("tls:") else None)
        client = Client(address, timeout=PATIENCE_S, set_as_default=False, security=security)
    except (OSError, ValueError, RuntimeError) as error:  # the last where Dask's configuration demands encryption
        told = isinstance(error, ValueError | RuntimeError | ssl.SSLError)
        cause = str(error).splitlines()[0] if told else f"no answer in {PATIENCE_S} s"
        raise UserError(f"{where}: {cause}; is a Dask scheduler running there? null takes this machine") from None
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    name = f"recognition {client.id}"  # several clients may share a cluster, each with data of its own

    def provide(data: object) -> Callable[[], object]:
        try:
            client.register_plugin(WorkerSetup(name, program, device, pack(data)))
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        except Exception as error:  # of whatever kind a worker had; distributed hands on its words alone
            raise UserError(
                f"{where}: a worker says: {str(error)[:200]}; start it in this project's folder, with its environment: "
                f"PYTHONPATH=. dask worker {address}"
            ) from None
        return partial(data_on_worker, name, unpack)

    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError:
            raise UserError(f"{where}: the scheduler has no workers; start one: dask worker {address}") from None
        try:
            yield Pool(client.get_executor(pure=False).submit, provide)
        except KilledWorker:
            raise UserError(f"{where}: worker after worker was killed at one task; have they memory enough?") from None
        except (CancelledError, CommClosedError):
            raise UserError(f"{where}: the scheduler was lost; the same command goes on when it is back") from None
        finally:
            if client.status == "running":
                with suppress(Exception):  # a worker never had it, or is lost: no reason to fail in the end
                    client.unregister_worker_plugin(name)
