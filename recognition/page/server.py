"""The server of the page: HTTP of the standard library, with what guards it.

One request a connection, so that a deadline holds for all that a client sends. No file is ever looked for: what there
is are the files and the answers that the server is given, by their names.
"""

import errno
import hmac
import ipaddress
import json
import math
import secrets
import socket
import socketserver
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Lock
from typing import NamedTuple
from urllib.parse import parse_qsl

from recognition.base import door
from recognition.base.errors import UserError

MOST_BYTES = 32_000_000  # of a picture
MOST_HELD = 256_000_000  # bytes of all pictures that are being received or read
MOST_CONNECTIONS = 200
SILENCE_S = 10.0  # without a byte
DEADLINE_S = 60.0  # of all that a client sends, and of all that it is sent
POLL_S = 0.5  # between two looks for connections that are past it
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}

BUSY, WRONG = HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_REQUEST

Asked = Callable[[dict[str, str], bytes], object]  # (the address's parameters, body) to what JSON can say


class Refused(Exception):
    """What is answered with this status and one line."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        super().__init__(line)
        self.status = status


class Page(NamedTuple):
    """All that a browser can get, by its name."""

    files: dict[str, tuple[str, bytes]]  # content type and content; "" is the page itself
    told: dict[str, Asked]  # by GET
    asked: dict[str, Asked]  # by POST, which changes something or sends a picture


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves a page at `host`, an address of this machine. With `guarded`, only below a token drawn by chance.

    The page is set once the address is taken: what is behind it takes time to begin. Raises UserError where the address
    is none of this machine's, or the port is taken.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    page = Page({}, {}, {})

    def __init__(self, host: str, port: int, guarded: bool) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise UserError(f"--host {host}: no address; `hostname -I` lists this machine's") from None
        if address.is_unspecified:
            raise UserError(f"--host {host}: name one address; `hostname -I` lists this machine's")
        host = str(address)  # in its shortest form, as browsers write it
        self.address_family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        self.held, self.lock = 0, Lock()
        self.begun: dict[socket.socket, float] = {}
        try:
            super().__init__((host, port), Handler)
        except OverflowError:
            raise UserError(f"port {port}: none; they go from 1 to 65535, and 0 takes a free one") from None
        except PermissionError:
            raise UserError(f"port {port}: only root may serve there; --port takes one from 1024 on") from None
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            mend = "--port 0 takes a free one" if taken else "`hostname -I` lists this machine's addresses"
            raise UserError(f"{host}, port {port}: {error.strerror}; {mend}") from None
        self.root = f"/{secrets.token_urlsafe(16)}/" if guarded else "/"
        port = self.server_address[1]
        names = [f"[{host}]" if address.version == 6 else host, *["localhost"] * address.is_loopback]
        self.hosts = names if port == 80 else [f"{name}:{port}" for name in names]  # as browsers write them
        self.url = f"http://{self.hosts[0]}{self.root}"

    def verify_request(self, request: object, client_address: object) -> bool:
        return len(self.begun) < MOST_CONNECTIONS

    def process_request(self, request, client_address) -> None:
        self.begun[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self.begun.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Between two looks for new connections: cut off those whose clients take too long."""
        for connection, begun in self.begun.copy().items():
            if time.monotonic() - begun > DEADLINE_S:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address) -> None:
        """A client that is gone is no fault."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @contextmanager
    def holding(self, n: int) -> Iterator[None]:
        """Room for a body of `n` bytes. Raises Refused where there is none."""
        with self.lock:
            if self.held + n > MOST_HELD:
                raise Refused(BUSY, "too many pictures at once; try again in a moment")
            self.held += n
        try:
            yield
        finally:
            with self.lock:
                self.held -= n


def as_json(value: object) -> tuple[str, bytes]:
    """Content type and content."""
    return "application/json", json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def told(error: Exception) -> Refused:
    """What is answered of an error; a fault of our own keeps its traceback, in the terminal."""
    if isinstance(error, Refused):
        return error
    if line := door.failure(error):
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, line.removeprefix("error: "))
    traceback.print_exception(error)
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of this program; its terminal says more")


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = default_request_version = "HTTP/1.1"
    timeout = SILENCE_S
    unread = 0

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, found: Callable[[str, dict[str, str]], tuple[str, bytes]]) -> None:
        """One answer, which is sent once all is known of it: within another it would be read as a part of that."""
        try:
            status, (kind, content) = HTTPStatus.OK, found(*self._guarded())
        except ConnectionError:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError):
                error = Refused(HTTPStatus.REQUEST_TIMEOUT, f"nothing came for {self.timeout:g} seconds; try again")
            refused = told(error)
            status, (kind, content) = refused.status, as_json({"error": str(refused)})
        self._send(status, kind, content)

    def _guarded(self) -> tuple[str, dict[str, str]]:
        """The name that is asked for, and the parameters. Raises Refused for whom it is not meant."""
        hosts, root = self.server.hosts, self.server.root
        self.unread = self._length()
        if self.headers.get_all("Host", []) not in ([host] for host in hosts):
            raise Refused(HTTPStatus.FORBIDDEN, f"this is {self.server.hosts[0]}, and another host was asked for")
        origins = self.headers.get_all("Origin", [])
        followed = self.headers.get("Sec-Fetch-Mode") == "navigate"  # a link, which shows the page and tells nobody
        site = "none" if followed else self.headers.get("Sec-Fetch-Site", "none")
        if not {*origins} <= {f"http://{host}" for host in hosts} or site not in ("none", "same-origin"):
            raise Refused(HTTPStatus.FORBIDDEN, "another site's page may not ask here")
        path, _, query = self.path.partition("?")
        if not hmac.compare_digest(path[: len(root)].encode(), root.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "the address lacks its token; take it whole, as the terminal shows it")
        return path[len(root) :], dict(parse_qsl(query, keep_blank_values=True))

    def _length(self) -> int:
        """Bytes of the body that the client announces."""
        values = self.headers.get_all("Content-Length", ["0"])
        if len(values) != 1 or not values[0].isascii() or not values[0].isdecimal() or len(values[0]) > 18:
            raise Refused(WRONG, "the length of what is sent is no number")
        return int(values[0])

    def _get(self, name: str, given: dict[str, str]) -> tuple[str, bytes]:
        if name in self.server.page.files:
            return self.server.page.files[name]
        return self._told(self.server.page.told, name, given, b"")

    def _post(self, name: str, given: dict[str, str]) -> tuple[str, bytes]:
        if "Transfer-Encoding" in self.headers or "Content-Length" not in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "say how long what is sent is")
        if self.unread > MOST_BYTES:
            raise Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a picture may have {MOST_BYTES // 10**6} MB; save it smaller"
            )
        with self.server.holding(length := self.unread):
            body = self.rfile.read(length)
            self.unread = 0
            if len(body) < length:
                raise Refused(WRONG, "what was sent ended early; try again")
            return self._told(self.server.page.asked, name, given, body)

    def _told(self, answers: dict[str, Asked], name: str, given: dict[str, str], body: bytes) -> tuple[str, bytes]:
        if name not in answers:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        begun = self.server.begun
        begun[self.connection] = math.inf  # what takes us time is not the client's
        try:
            return as_json(answers[name](given, body))
        finally:
            begun[self.connection] = time.monotonic()

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response_only(status)
        for name, value in (HEADERS | {"Content-Type": kind, "Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses, as a request line that is none, is one line as well."""
        self._send(code, *as_json({"error": message or HTTPStatus(code).phrase}))

    def finish(self) -> None:
        """What a refused client is still sending is let in, or it would be cut off before it reads why."""
        super().finish()
        with suppress(OSError):
            if self.unread:
                self.connection.shutdown(socket.SHUT_WR)
            while self.unread and self.connection.recv(1 << 16):
                pass

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is told of a request that went well."""
