import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import stages  # noqa: F401  settles the arithmetic before a test imports torch
from recognition.sources.web import Mirror


def pytest_collection_modifyitems(items: list) -> None:
    """The file that takes longest comes first, or one process would be left alone with it."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


@pytest.fixture
def serve():
    """Start web servers: serve(answers) gives a Mirror; an answer is a body, or what to do with the request."""
    started = []

    def start(answers: dict) -> Mirror:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                what = answers.get(self.path)
                if callable(what):
                    what(self)
                elif what is None:
                    self.send_error(404)
                else:
                    begin(self, len(what))
                    self.wfile.write(what)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}/")
        asked = requests.setdefault(mirror, [])
        return mirror

    requests: dict[Mirror, list[str]] = {}
    start.requests = requests
    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def begin(handler: BaseHTTPRequestHandler, length: int | None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
