import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import stages  # noqa: F401  settles the arithmetic before a test imports torch
from recognition.sources.web import Mirror

# A shell ignores Ctrl-C for what it starts with `&`, and so would every program that a test starts and stops.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list) -> None:
    """The file that takes longest comes first, or one process would be left alone with it."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")


@pytest.fixture(scope="session")
def digit_network(tmp_path_factory) -> Path:
    """The checkpoint of a network that has seen 6,000 digits once, and takes whatever it is shown for one."""
    import torch

    from recognition import networks
    from recognition.base.determinism import generator
    from recognition.training import checkpoints, datasets, doubt
    from recognition.training.augmentation import Distortion
    from recognition.training.fit import Recipe, fit

    torch.set_num_threads(1)  # more would wait for each other
    split = datasets.load("mnist", Path(__file__).parent.parent / "data/mnist", train=True)[:6000]
    normalisation = datasets.Normalisation(0.13, 0.31)
    network = networks.build("MnistNet", {}, generator(0, "weights"))
    recipe = Recipe(
        epochs=1,
        batch_size=100,
        learning_rate=0.06,
        momentum=0.9,
        weight_decay=5e-4,
        distortion=Distortion(0, 0, 0),
        seed=0,
        shards=1,
    )
    fit(network, split, [], normalisation, recipe, "cpu", None, lambda n: None)
    path, classes = tmp_path_factory.mktemp("models") / "digits.pth", datasets.CLASSES["mnist"]
    prototypes = torch.zeros(len(classes), 1, doubt.size(network), dtype=torch.int8)
    weights = network.state_dict()
    checkpoints.save(
        path,
        checkpoints.Checkpoint("MnistNet", {}, weights, classes, normalisation, 1, prototypes, doubt.FURTHEST),
    )
    return path


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
