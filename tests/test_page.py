"""The page's server: what it answers, what it refuses, and that nothing of it stays. The browser's part is in
test_page_browser.py."""

import base64
import http.client
import io
import json
import multiprocessing
import operator
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from PIL import Image

from recognition.base import files, params
from recognition.base.alphabet import named_in
from recognition.base.errors import UserError
from recognition.base.fingerprints import digest, mark
from recognition.ink import read
from recognition.ink.decode import read_grey
from recognition.ink.pictures import label_of
from recognition.page import answers, app, server, worker
from recognition.page.project import Kept, Network, Project, page_files
from recognition.page.server import Page, Refused, Server
from recognition.page.worker import Worker
from recognition.training import checkpoints

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "data/handwriting/digits"


def fail(given: dict, body: bytes) -> object:
    raise {"user": UserError("7.png: no ink"), "ours": ZeroDivisionError("of ours")}[given["how"]]


PAGE = Page(page_files(), {"state": lambda given, body: given}, {"echo": lambda given, body: len(body), "fail": fail})


@pytest.fixture
def serving():
    """Start a server: serving(guarded) gives it. Its page is PAGE, or what is set."""
    started = []

    def start(guarded: bool = False, page: Page = PAGE) -> Server:
        found = Server("127.0.0.1", 0, guarded)
        found.page = page
        Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        started.append(found)
        return found

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def ask(to: Server, path: str = "/", body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of an answer; a header's name has _ for -."""
    connection = http.client.HTTPConnection(*to.server_address[:2], timeout=600)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def said(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Status and the one line that says why."""
    status, _, content = answer
    line = json.loads(content)["error"]
    assert line and line.isprintable()
    return status, line


def raw(to: Server, content: bytes) -> bytes:
    """All that is answered to these very bytes."""
    with socket.create_connection(to.server_address[:2], timeout=20) as connection:
        connection.sendall(content)
        return b"".join(iter(partial(connection.recv, 1 << 16), b""))


def until(holds: Callable[[], object]) -> None:
    """Wait for what comes by itself."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---- what there is


def test_the_page_is_small_whole_and_asks_no_other_host(serving):
    to = serving()
    sizes = []
    for name in page_files():
        status, headers, content = ask(to, f"/{name}")
        assert (status, headers["Content-Type"]) == (200, page_files()[name][0])
        assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", content)
        sizes.append(len(content))
    assert sum(sizes) < 60_000
    html = page_files()[""][1].decode()
    assert not re.search(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", html)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', html)) == {"data:,", *page_files()} - {""}


def test_every_answer_is_guarded_by_its_headers(serving):
    to = serving()
    for answer in ask(to), ask(to, "/none"), ask(to, "/state"), ask(to, Host="evil.example"):
        headers = answer[1]
        assert {name: headers[name] for name in server.HEADERS} == server.HEADERS
        assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        *("/server.py", "/../server.py", "/%2e%2e/server.py", "/page.css/../server.py", "//etc/passwd", "/page.css/"),
        *(
            "/../../../../etc/passwd",
            "/..%2f..%2fetc%2fpasswd",
            "/page.css%00",
            "/PAGE.CSS",
            "http://127.0.0.1/page.css",
        ),
        *("*", "/\\..\\server.py", "/page.html", "/proc/self/environ", "/" + "a" * 60000),
    ],
)
def test_no_trick_of_a_path_finds_anything(serving, path):
    assert said(ask(serving(), path))[0] in (403, 404)


def test_parameters_and_bodies_arrive_and_a_get_is_no_post(serving):
    to = serving()
    assert json.loads(ask(to, "/state?a=%CE%B2&b=")[2]) == {"a": "β", "b": ""}
    assert json.loads(ask(to, "/echo", bytes(1000))[2]) == 1000
    assert said(ask(to, "/echo"))[0] == said(ask(to, "/state", b""))[0] == 404


# ---- who may ask


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Host": "127.0.0.1:1"}, {"Host": ""}),
        *({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "https://127.0.0.1"}),
        *({"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}),
    ],
    ids=str,
)
def test_another_host_or_site_is_refused(serving, headers):
    to = serving()
    assert said(ask(to, "/", **headers))[0] == said(ask(to, "/echo", b"1", **headers))[0] == 403


def test_the_own_names_and_site_are_not(serving):
    to = serving()
    for name in to.hosts:
        assert ask(to, "/echo", b"1", Host=name, Origin=f"http://{name}", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(to, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link that is followed
    assert to.url == f"http://127.0.0.1:{to.server_address[1]}/"


def test_two_hosts_or_none_are_refused(serving):
    to = serving()
    host = f"Host: {to.hosts[0]}\r\n".encode()
    assert b" 403 " in raw(to, b"GET / HTTP/1.1\r\n" + 2 * host + b"\r\n").splitlines()[0]
    assert b" 403 " in raw(to, b"GET / HTTP/1.1\r\n\r\n").splitlines()[0]


def test_others_need_the_token_for_everything(serving):
    to, other = serving(guarded=True), serving(guarded=True)
    assert len(to.root) > 20 and to.root != other.root and to.url.endswith(to.root)
    for path in "/", "/page.css", "/state", other.root, f"{other.root}page.css", to.root[:-1], to.root.upper():
        assert said(ask(to, path))[0] == said(ask(to, path, b"1"))[0] == 403
    assert ask(to, to.root)[0] == ask(to, f"{to.root}page.css")[0] == ask(to, f"{to.root}echo", b"1")[0] == 200


@pytest.mark.parametrize(
    ("host", "wrong"),
    [("phone", "no address"), ("0.0.0.0", "name one"), ("::", "name one"), ("192.0.2.1", "Cannot assign")],
)
def test_an_address_that_is_none_of_this_machine_is_one_line(host, wrong):
    with pytest.raises(UserError, match=wrong) as caught:
        Server(host, 0, guarded=True)
    assert "hostname -I" in str(caught.value)


def test_a_port_in_use_is_one_line_with_the_mend(serving):
    port = serving().server_address[1]
    with pytest.raises(UserError, match=f"port {port}: Address already in use; --port 0"):
        Server("127.0.0.1", port, guarded=False)
    for none in -1, 65536:
        with pytest.raises(UserError, match=f"port {none}: none"):
            Server("127.0.0.1", none, guarded=False)


def test_an_address_in_any_form_is_the_one_that_browsers_write():
    with Server("0:0:0:0:0:0:0:1", 0, guarded=True) as to:
        port = to.server_address[1]
        assert to.hosts == [f"[::1]:{port}", f"localhost:{port}"] and to.url.startswith(f"http://[::1]:{port}/")


# ---- how much, and how long


def test_too_large_a_picture_is_told_to_who_sends_it_all(serving):
    to = serving()
    assert said(ask(to, "/echo", bytes(40_000_000))) == (413, "a picture may have 32 MB; save it smaller")
    assert json.loads(ask(to, "/echo", bytes(32_000_000))[2]) == 32_000_000


@pytest.mark.parametrize(
    ("header", "status"),
    [
        *((b"", 411), (b"Transfer-Encoding: chunked\r\n", 411), (b"Content-Length: 2\r\nContent-Length: 2\r\n", 400)),
        *((b"Content-Length: -1\r\n", 400), (b"Content-Length: 1e3\r\n", 400), (b"Content-Length: \xb2\r\n", 400)),
        *((b"Content-Length: " + b"9" * 5000 + b"\r\n", 400), (b"Content-Length: 99999999999999\r\n", 413)),
    ],
)
def test_a_length_that_is_none_is_refused(serving, header, status):
    to = serving()
    head = b"POST /echo HTTP/1.1\r\nHost: " + to.hosts[0].encode() + b"\r\n" + header + b"\r\n"
    with socket.create_connection(to.server_address[:2], timeout=20) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        assert f" {status} ".encode() in connection.recv(1 << 16).splitlines()[0]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        *((b"GARBAGE\r\n\r\n", 400), (b"GET\r\n\r\n", 400), (b"\x16\x03\x01\x02\0\n", 400)),
        *((b"PUT / HTTP/1.1\r\n\r\n", 501), (b"GET / HTTP/9.9\r\n\r\n", 505), (b"a" * 70000 + b"\r\n", 414)),
        *((b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431), (b"\r\n\r\n", None)),
    ],
)
def test_what_is_no_request_is_one_line(serving, content, status, capfd):
    to = serving()
    answer = raw(to, content)
    if status is None:  # nothing was asked
        assert answer == b""
    else:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status) and said((status, {}, body))
    assert ask(to)[0] == 200 and capfd.readouterr().err == ""


def test_a_silent_client_is_told_so(serving, monkeypatch):
    monkeypatch.setattr(server.Handler, "timeout", 0.1)
    to = serving()
    answer = raw(to, b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\nHost: %s\r\n\r\n1234" % to.hosts[0].encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ") and "nothing came for 0.1 seconds" in json.loads(body)["error"]
    assert raw(to, b"GET / HT") == b""


def test_a_client_that_reads_slowly_is_sent_no_second_answer_within_the_first(serving, monkeypatch):
    monkeypatch.setattr(server.Handler, "timeout", 0.1)
    to = serving(page=PAGE._replace(files={"large": ("text/plain", bytes(30_000_000))}))
    with socket.create_connection(to.server_address[:2], timeout=20) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: %s\r\n\r\n" % to.hosts[0].encode())
        until(lambda: to.begun)
        until(lambda: not to.begun)  # given up
        answer = b"".join(iter(partial(connection.recv, 1 << 16), b""))
    assert answer.count(b"HTTP/1.1") == 1 and len(answer) < 30_000_000


def test_all_pictures_together_are_bounded(serving, monkeypatch):
    monkeypatch.setattr(server, "MOST_HELD", 1000)
    to = serving()
    assert said(ask(to, "/echo", bytes(1001)))[0] == 503
    assert ask(to, "/echo", bytes(1000))[0] == ask(to, "/echo", bytes(1000))[0] == 200  # what was held is given back


@pytest.mark.parametrize(
    "begin", [b"", b"GET / HT", b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\nHost: %s\r\n\r\n1234"]
)
def test_a_slow_client_is_cut_off_and_so_is_one_that_drips(serving, monkeypatch, begin):
    monkeypatch.setattr(server, "DEADLINE_S", 0.2)
    to = serving()
    with socket.create_connection(to.server_address[:2], timeout=20) as connection:
        connection.sendall(begin.replace(b"%s", to.hosts[0].encode()))
        ended = time.monotonic() + 10
        with pytest.raises(OSError):
            while time.monotonic() < ended:
                connection.sendall(b"1")
                time.sleep(0.05)
    assert ask(to)[0] == 200
    until(lambda: not to.begun)  # that the last one is over is noted after its answer


def test_what_takes_us_long_cuts_nobody_off(serving, monkeypatch):
    monkeypatch.setattr(server, "DEADLINE_S", 0.05)
    looks = Event()
    to = serving(page=PAGE._replace(asked={"slow": lambda given, body: looks.wait(10)}))
    passed, look = [], to.service_actions
    monkeypatch.setattr(to, "service_actions", lambda: (look(), passed.append(1), len(passed) > 20 and looks.set()))
    assert ask(to, "/slow", b"")[::2] == (200, b"true")


def test_more_connections_than_are_held_are_closed(serving, monkeypatch):
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    to = serving()
    held = [socket.create_connection(to.server_address[:2], timeout=20) for _ in range(2)]
    until(lambda: len(to.begun) == 2)
    with socket.create_connection(to.server_address[:2], timeout=20) as third:
        assert third.recv(10) == b""
    for one in held:
        one.close()


# ---- what goes wrong


def test_what_a_user_can_mend_is_its_line_and_a_fault_of_ours_keeps_its_traceback(serving, capfd):
    to = serving()
    assert said(ask(to, "/fail?how=user", b"")) == (422, "7.png: no ink")
    assert capfd.readouterr().err == ""
    assert said(ask(to, "/fail?how=ours", b""))[0] == 500
    assert "ZeroDivisionError: of ours" in capfd.readouterr().err
    assert ask(to)[0] == 200


def test_a_client_that_goes_away_is_no_fault(serving, capfd):
    to = serving()
    for _ in range(20):
        connection = socket.create_connection(to.server_address[:2])
        connection.sendall(f"POST /echo HTTP/1.1\r\nHost: {to.hosts[0]}\r\nContent-Length: 99999\r\n\r\n".encode())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))  # a reset
        connection.close()
    assert ask(to)[0] == 200 and capfd.readouterr().err == ""


# ---- the process that reads


SOME = partial(  # of modules that a process loads in a moment, as this one is not
    dict,
    add=operator.add,
    user=partial(params.read, Path("none.yaml")),
    ours=partial(operator.truediv, 1, 0),
    end=partial(os._exit, 1),
    sleep=time.sleep,
)


def test_the_worker_answers_and_outlives_whatever_happens_to_it(capfd, monkeypatch):
    one = Worker(SOME)
    assert one.ask("add", 2, 3) == 5 and one.ready
    with pytest.raises(UserError, match=r"^none\.yaml: No such file"):
        one.ask("user")
    with pytest.raises(UserError, match="a fault of this program"):
        one.ask("ours")
    assert "ZeroDivisionError" in capfd.readouterr().err
    with pytest.raises(UserError, match="ended abruptly"):
        one.ask("end")
    assert not one.ready and one.ask("add", 2, 3) == 5
    first = one.process.pid
    monkeypatch.setattr(worker, "LIMIT_S", 0.1)
    with pytest.raises(Refused, match=r"over 0\.1 seconds"):
        one.ask("sleep", 60)
    assert one.ask("add", 2, 3) == 5 and one.process.pid != first
    monkeypatch.setattr(worker, "WAIT_S", 0.1)
    with one.turn, pytest.raises(Refused, match="many pictures"):
        one.ask("add", 2, 3)
    one.process.kill()


@pytest.mark.parametrize(
    ("load", "said"), [(sys.exit, "ended abruptly"), (partial(import_module, "tarch"), "has no tarch")]
)
def test_a_worker_that_cannot_load_says_why_and_no_more_that_it_loads(load, said, capfd):
    one = Worker(load)
    assert one.loading
    until(lambda: not one.loading)
    assert said in one.failed
    with pytest.raises(UserError, match=said):
        one.ask("add", 1, 1)
    assert not one.loading and capfd.readouterr().err == ""


@pytest.mark.parametrize("failing", ["Pipe", "Process"])
def test_a_worker_that_cannot_begin_holds_nothing_up(monkeypatch, failing):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(type(multiprocessing.get_context("spawn")), failing, refuse)
        one = Worker(SOME)
        until(lambda: not one.loading)
        with pytest.raises(OSError, match="Too many open files"):
            one.ask("add", 2, 3)
    assert "Too many open files" in one.failed and not one.turn.locked()
    assert one.ask("add", 2, 3) == 5 and one.failed == ""
    one.process.kill()


@pytest.mark.parametrize("moment", ["loading", "loading in vain", "answering", "waiting"])
def test_what_reads_ends_in_silence_when_the_server_is_gone(monkeypatch, moment):
    """As it may before the thread that looks for that."""
    monkeypatch.setattr(worker, "begin_worker", lambda: None)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    server_end, own_end = multiprocessing.Pipe()
    gone = server_end.close

    def load() -> dict:
        if moment.startswith("loading"):
            gone()
        if moment == "loading in vain":
            raise UserError("no network there")
        return {"add": lambda: gone()}

    if moment == "answering":
        server_end.send(("add", ()))
    thread = Thread(target=lambda: ended.append(worker.serve(own_end, load)))
    ended: list[None] = []
    thread.start()
    if moment == "waiting":
        assert server_end.recv() is None
        gone()
    thread.join()
    assert ended == [None]


# ---- the project


def test_a_missing_network_says_what_makes_it(tmp_path):
    (tmp_path / "a.pth").touch()
    networks = {name: Network(name, tmp_path / f"{name}.pth", f"dvc repro {name}") for name in ("a", "b")}
    there, missing = Project(tmp_path, networks).state()["networks"]
    assert (there["there"], missing["there"]) == (True, False) and "`dvc repro b`" in missing["build"]


EPOCHS = "epoch,examples,train_loss,held_out_loss,held_out_accuracy\n1,55000,0.6,0.1,0.97\n2,110000,0.3,0.09,0.98\n"


def test_a_training_is_one_whose_process_lives(tmp_path):
    table, locks = tmp_path / "reports/train/epochs.csv", tmp_path / ".dvc/tmp/rwlock"
    for path in table, locks:
        path.parent.mkdir(parents=True)
    project = Project(tmp_path, {})

    def lock(pid: int) -> None:
        locks.write_text(json.dumps({"write": {str(table): {"pid": pid, "cmd": "dvc repro"}}}))

    assert project.training() is None
    lock(os.getpid())
    assert project.training() == {"name": "train", "rows": []}
    table.write_text(EPOCHS)
    rows = project.training()["rows"]
    assert [row["epoch"] for row in rows] == [1, 2] and rows[1]["train_loss"] == 0.3
    table.write_text("way,epoch,train_loss,held_out_loss,held_out_accuracy\nlast,1,2,2,0.1\nall,1,1,1,0.5\n")
    assert [row["train_loss"] for row in project.training()["rows"]] == [1]  # of the way that is under way
    table.write_text("epoch,train_loss,held_out_loss,held_out_accuracy\n1,0.5,nan,0.1\n2,inf,-inf,0.1\n")
    rows = project.training()["rows"]  # of one that goes astray
    assert [(row["train_loss"], row["held_out_loss"]) for row in rows] == [(0.5, None), (None, None)]
    for other in '{"write": {', "[]", "{}", '{"write": {"x": {}}}':
        locks.write_text(other)
        assert project.training() is None
    gone = subprocess.Popen(["true"])
    gone.wait()
    lock(gone.pid)
    assert project.training() is None


@pytest.mark.parametrize(
    ("place", "setting", "told"),
    [
        ("digits/7.png", "", "the digit network reads it, and is scored"),
        ("greek/alpha/a.png", "", "learn alpha from 2 pictures, yours alone: with greek.source auto they replace all"),
        ("greek/alpha/a.png", "source: drive", "alpha is read, and learned from others' alone: greek.source is drive"),
        ("greek/psi/a.png", "source: folder", "networks learn psi from 1 picture, yours alone"),
        ("greek/chi/a.png", "", "no network learns chi: add it to finetune.greek.letters in params.yaml"),
        ("signs/+/a.png", "", "a network learns + from 1 picture, as a sign of your own"),
        ("signs/+/a.png", "names: [x]", "no network learns +: add it to finetune.signs.names in params.yaml"),
        ("signs/+/a.png", "epochs: 0", "train.epochs"),
    ],
)
def test_what_comes_of_what_is_kept_is_told_as_params_have_it(tmp_path, place, setting, told):
    text, key = (ROOT / "params.yaml").read_text(), setting.partition(":")[0]
    (tmp_path / "params.yaml").write_text(re.sub(rf"(?m)^( *){re.escape(key)}:.*", rf"\1{setting}", text, count=1))
    project = Project(tmp_path, {})
    files.write_bytes(project.handwriting / "greek" / "α.png", b"")
    files.write_bytes(path := project.handwriting / place, b"")
    assert f"Kept as data/handwriting/{place}. " in (line := project.told([Kept(path, "")])) and told in line


# ---- what reads, with a network


@pytest.fixture(scope="module")
def reader(digit_network):
    return answers.Reader({"digits": digit_network, "none": Path("none.pth")})


def test_a_picture_is_read_as_anywhere_else(reader, digit_network):
    path = DIGITS / "7.png"
    found = reader.read("digits", path.read_bytes(), photo=True)
    [[one]] = found["lines"]
    [[expected]] = read.sheet(checkpoints.load(digit_network), read_grey(path)).lines
    assert (one["box"], one["prediction"], one["known"]) == (expected.box, expected.prediction, expected.known)
    assert one["probabilities"] == expected.probabilities
    assert base64.b64decode(one["picture"]) == expected.picture.tobytes()
    shown = Image.open(io.BytesIO(base64.b64decode(found["shown"].partition(",")[2])))
    assert (found["width"], found["height"]) == shown.size
    json.dumps(found)


@pytest.mark.parametrize(
    ("network", "content", "said"),
    [
        ("digits", b"seven", "^the picture: not a picture"),
        ("digits", b"", "^the picture: not a picture"),
        ("none", b"", "none.pth: there is no such checkpoint"),
        ("../digits", b"", "no network of that name; digits, none are known"),
    ],
)
def test_what_cannot_be_read_is_a_line_that_names_no_file_of_ours(reader, network, content, said):
    with pytest.raises(UserError, match=said) as caught:
        reader.read(network, content, photo=False)
    assert "/proc" not in str(caught.value)


def test_a_photo_may_lie_on_its_side_and_a_drawing_is_as_it_is(reader):
    page = Image.open(io.BytesIO(written()))
    page.transpose(Image.Transpose.ROTATE_90).save(content := io.BytesIO(), "PNG")
    photo, drawing = (reader.read("digits", content.getvalue(), photo=photo) for photo in (True, False))
    assert (photo["turn"], photo["text"]) == (90, "174") and drawing["turn"] == 0


def test_without_ink_there_are_no_lines(reader):
    Image.new("L", (50, 50), 255).save(content := io.BytesIO(), "PNG")
    assert reader.read("digits", content.getvalue(), photo=False)["lines"] == []


def test_a_network_that_has_changed_is_loaded_anew(reader, digit_network, tmp_path):
    content, other = (DIGITS / "7.png").read_bytes(), tmp_path / "digits.pth"
    shutil.copy(digit_network, other)
    own = answers.Reader({"digits": other})
    before = own.read("digits", content, photo=False)
    state = checkpoints.load(other)
    checkpoints.save(other, state._replace(classes=list("abcdefghij")))
    after = own.read("digits", content, photo=False)
    assert (before["text"], after["text"]) == ("7", "h")


def test_the_responses_are_those_of_the_layer_on_one_scale(reader, digit_network):
    picture = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
    found = reader.see("digits", picture.tobytes())
    weights = checkpoints.load(digit_network).weights["conv1.weight"]
    expected = torch.nn.functional.conv2d(torch.from_numpy(picture / 255).float()[None, None], weights, padding="same")
    shown = np.array([np.frombuffer(base64.b64decode(one), np.int8) for one in found["responses"]])
    assert np.abs(shown).max() == 127
    scale = float(expected.abs().max()) / 127
    np.testing.assert_allclose(shown * scale, expected[0].reshape(10, -1), atol=0.51 * scale)
    assert len(found["filters"]) == len(found["kinds"]) == 10 and found["size"] == 5
    with pytest.raises(UserError, match="28x28"):
        reader.see("digits", b"short")


# ---- what is kept


@pytest.fixture
def keeps(digit_network, tmp_path):
    """Keep a picture's characters: keeps(labels, writer) gives what was kept in the project of tmp_path."""
    one, project = answers.Reader({"digits": digit_network}), Project(tmp_path, {})

    def keep(labels: list[str | None], writer: str = "", shift: int = 0) -> list[Kept]:
        content = written(shift)
        return project.keep(mark(content), one.cut("digits", content, False, labels, writer))

    return keep


def written(shift: int = 0) -> bytes:
    """A page with 1, 7 and 4 in a line."""
    page = Image.new("L", (1200, 400), 235)
    for n, name in enumerate("174"):
        page.paste(Image.open(DIGITS / f"{name}.png").convert("L"), (400 * n, shift))
    page.save(content := io.BytesIO(), "PNG")
    return content.getvalue()


def names(root: Path) -> list[str]:
    """Of what lies below a project's data/handwriting."""
    folder = Project(root, {}).handwriting
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_what_is_kept_is_found_by_its_label_and_read_as_it_was(keeps, reader, tmp_path):
    kept = keeps(["7", "β", "+"], "anna")
    sheet = digest(written())[:8]
    home = tmp_path / "data/handwriting"
    assert [one.path.relative_to(home).as_posix() for one in kept] == [
        f"digits/7_anna.{sheet}-001.png",
        f"greek/beta/beta_anna.{sheet}-002.png",
        f"signs/+/+_anna.{sheet}-003.png",
    ]
    assert label_of(kept[0].path, list("0123456789")) == "7"
    assert named_in(kept[1].path.relative_to(home / "greek")) == "beta"
    alone = [reader.read("digits", one.path.read_bytes(), photo=False)["text"] for one in kept]
    assert "".join(alone) == reader.read("digits", written(), photo=False)["text"]


def test_nothing_is_overwritten_and_what_was_kept_before_is_told(keeps, tmp_path):
    kept = keeps(["1", "2", "3"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert keeps(["1", "2", "3"]) == kept  # and can be taken back
    for labels, writer in ((["1", "2", "4"], ""), (["1", "2", "3"], "anna"), (["1", "2", None], "")):
        with pytest.raises(UserError, match=r"kept before, as data/handwriting/digits/"):
            keeps(labels, writer)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    kept[0].path.write_bytes(b"changed since")
    with pytest.raises(UserError, match=r"kept before, as data/handwriting/digits/1"):
        keeps(["1", "2", "3"])
    assert kept[0].path.read_bytes() == b"changed since"


def test_a_name_may_be_of_several_words_or_of_one_sign(keeps):
    kept = keeps(["treble  clef", "bass_clef", "OK"])
    assert [one.path.parent.name for one in kept] == ["treble clef", "bass_clef", "OK"]


@pytest.mark.parametrize(
    "wrong", ["", " ", "..", ".x", "a/b", "12", "1 2", "alpha beta", "x" * 101, "\x1b[2J", "\0", "../../etc"]
)
def test_a_name_that_is_no_files_is_refused_with_nothing_written(keeps, tmp_path, wrong):
    with pytest.raises(UserError) as caught:
        keeps(["1", "2", wrong])
    assert "--" not in str(caught.value)  # of the command line
    assert names(tmp_path) == []


def test_a_wrong_writer_or_number_of_labels_is_refused_with_nothing_written(keeps, tmp_path):
    with pytest.raises(UserError, match=r"^writer '\.\./x': a name is letters"):
        keeps(["1", "2", "3"], "../x")
    for none in [], [None] * 3:
        with pytest.raises(UserError, match="nothing is to be kept"):
            keeps(none)
    with pytest.raises(UserError, match="2 labels for 3 characters"):
        keeps(["1", "2"])
    assert names(tmp_path) == []


def test_taking_back_removes_what_was_kept_and_nothing_else(keeps, tmp_path):
    take_back = Project(tmp_path, {}).take_back
    first, second, third = keeps(["digits", "-", "-"])
    *_, other = keeps(["+", "+", "-"], shift=3)
    second.path.write_bytes(b"changed since")
    assert take_back([first, second, third]) == [second.path]
    assert {path.name for path in second.path.parent.iterdir()} == {second.path.name, other.path.name}
    assert take_back([first]) == []  # gone already
    take_back([Kept(path, digest(path.read_bytes())) for path in tmp_path.rglob("*.png")])
    assert names(tmp_path) == ["signs"]


def test_a_sheet_half_kept_by_a_killed_server_is_completed_by_the_same_keep(keeps, tmp_path):
    kept = keeps(["?", None, "7"])
    assert [path.split(".")[0] for path in names(tmp_path) if path.endswith(".png")] == ["digits/7", "signs/?/?"]
    kept[1].path.unlink()
    assert keeps(["?", None, "7"]) == kept and kept[1].path.is_file()


def test_a_full_disk_leaves_nothing_of_what_was_to_be_kept(keeps, tmp_path, monkeypatch):
    write = files.write_bytes

    def until_full(path: Path, content: bytes) -> None:
        if "-002." in path.name:
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(files, "write_bytes", until_full)
    with pytest.raises(OSError, match="No space"):
        keeps(["+", "-", "7"])
    assert names(tmp_path) == ["signs"]


def test_who_keeps_again_takes_back_once_and_many_at_once_leave_nothing(tmp_path, monkeypatch):
    def pictures(question: str, network: str, body: bytes, *_: object) -> list[tuple[str, bytes]]:
        return [(f"signs/{name}/{name}.{mark(body)}-00{n}.png", body) for n, name in enumerate(("signs", "+"))]

    monkeypatch.setattr(app, "Worker", lambda load: SimpleNamespace(loading=False, failed="", ask=pictures))
    asked = app.page(Project(tmp_path, {})).asked

    def keep(n: int) -> str:
        return asked["keep"]({"labels": "[]"}, str(n).encode())["mark"]

    first, other = keep(1), keep(2)
    assert keep(1) == first != other and len(names(tmp_path)) == 7
    assert "Taken back" in asked["undo"]({"mark": first}, b"")["line"] and len(names(tmp_path)) == 5
    with pytest.raises(UserError, match="nothing is kept under that mark"):
        asked["undo"]({"mark": first}, b"")
    asked["undo"]({"mark": other}, b"")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: asked["undo"]({"mark": keep(n)}, b""), range(200)))
    assert names(tmp_path) == ["signs"]


# ---- the whole program


@pytest.mark.parametrize("moment", ["loading", "reading"])
def test_the_command_serves_before_it_has_loaded_and_ctrl_c_ends_it_with_all_its_processes(
    tmp_path, digit_network, moment
):
    shutil.copytree(ROOT / "recognition", tmp_path / "recognition")
    files.write_bytes(tmp_path / "models/train/checkpoint.pth", digit_network.read_bytes())
    command = [sys.executable, "-m", "recognition", "page", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        address = re.match(r"http://127\.0\.0\.1:(\d+)/ ", process.stdout.readline())
        to = SimpleNamespace(server_address=("127.0.0.1", int(address[1])))
        assert b"What does the network read?" in ask(to)[2]
        assert json.loads(ask(to, "/state")[2])["loading"]
        if moment == "reading":
            until(lambda: not json.loads(ask(to, "/state")[2])["loading"])
            connection = http.client.HTTPConnection(*to.server_address)
            connection.request("POST", "/read?network=digits", np.random.default_rng(0).bytes(100))
            assert connection.getresponse().status == 422  # it reads
            connection.request("POST", "/read?network=digits", crowded())
            time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (1, "", "stopped\n")
        until(lambda: not members(process.pid))
    finally:
        process.kill()


STOPPED_IN_A_START = """
import os, runpy, signal, sys, time
import multiprocessing.util

def start(path, words, handles, begin=multiprocessing.util.spawnv_passfds):
    process = begin(path, words, handles)
    if "multiprocessing.spawn" in str(words):
        os.kill(os.getpid(), number := getattr(signal, name))
        time.sleep(2)  # of a busy machine, before the process is told what it is
        for _ in range(1000):  # until the main thread waits for that
            if signal.getsignal(number) is signal.SIG_IGN:
                break
            time.sleep(0.02)
        os.kill(os.getpid(), number)  # again, as who is impatient does
        time.sleep(1)
    return process

if __name__ == "__main__":
    multiprocessing.util.spawnv_passfds = start
    name = sys.argv.pop()
    from recognition.page import project
    find = project.page_files
    project.page_files = lambda: (time.sleep(0.5), find())[1]  # of a busy machine, once the process is begun
    runpy.run_module("recognition", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_stops_the_command_while_its_process_is_started_by_half_waits_for_its_start(tmp_path, name):
    (tmp_path / "program.py").write_text(STOPPED_IN_A_START)
    command = [sys.executable, tmp_path / "program.py", "page", "--no-browser", "--port", "0", name]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True, env=environment)
    assert (done.returncode, done.stderr) == (1, "stopped\n")


def crowded() -> bytes:
    """A picture of which the reading takes some seconds."""
    page = np.full((2000, 2000), 255, np.uint8)
    for left in range(20, 2000, 40):
        for top in range(20, 2000, 40):
            page[top : top + 25, left : left + 4] = 0
    Image.fromarray(page).save(content := io.BytesIO(), "PNG")
    return content.getvalue()


def members(group: int) -> list[str]:
    """The words of the processes of a group that are not dead."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append((place / "cmdline").read_text())
        except OSError:
            pass
    return found


# ---- a thousand requests


def resident(pid: int | str = "self") -> float:
    """MB of a process's memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.proof
def test_a_thousand_requests_of_all_kinds_fifty_at_once(serving, digit_network, tmp_path, capfd, monkeypatch):
    """Every answer is right, or the one clear line that it should be, and memory stays."""
    monkeypatch.setattr(worker, "LIMIT_S", 300)  # on a machine with other work
    monkeypatch.setattr(worker, "WAIT_S", 600)
    there = {"digits": Network("digits", digit_network, "dvc repro train")}
    to = serving(page=app.page(Project(tmp_path, there)))
    pictures = {name: (DIGITS / f"{name}.png").read_bytes() for name in "0123456789"}
    until(lambda: not json.loads(ask(to, "/state")[2])["loading"])
    alone = {name: json.loads(ask(to, "/read?network=digits", one)[2]) for name, one in pictures.items()}

    def is_read(n: int) -> None:
        name = str(n % 10)
        status, _, content = ask(to, "/read?network=digits", pictures[name])
        assert status == 200 and json.loads(content) == alone[name]

    def is_kept(n: int) -> None:
        query = urlencode({"network": "digits", "labels": '["7"]', "writer": f"w{n}"})
        status, _, content = ask(to, f"/keep?{query}", pictures["7"] + str(n).encode())  # each a drawing of its own
        assert status == 200
        assert ask(to, f"/undo?{urlencode({'mark': json.loads(content)['mark']})}", b"")[0] == 200

    def is_cut(n: int) -> None:
        with socket.create_connection(to.server_address[:2], timeout=60) as connection:
            connection.sendall(b"POST /read HTTP/1.1\r\nContent-Length: 99\r\n")

    def answered(expected: int, **more) -> Callable[[int], None]:
        def kind(n: int) -> None:
            status, _, content = ask(to, **more)
            assert status == expected and (status == 200 or json.loads(content)["error"].isprintable())

        return kind

    kinds = [
        *[is_read] * 8,
        *(is_kept, is_cut, answered(200), answered(200, path="/page.js"), answered(200, path="/state")),
        answered(422, path="/read?network=digits", body=b"seven"),
        answered(422, path="/read?network=digits", body=bytes(10_000_000)),
        answered(413, path="/read?network=digits", body=bytes(33_000_000)),
        answered(403, Host="evil.example"),
        answered(404, path="/../../etc/passwd"),
        answered(400, path="/keep?labels=7", body=b"x"),
    ]
    reads = Path(f"/proc/{multiprocessing.active_children()[-1].pid}")
    memory = []
    with ThreadPoolExecutor(50) as pool:
        for hundred in range(10):
            list(pool.map(lambda n: kinds[n % len(kinds)](n), range(100 * hundred, 100 * hundred + 100)))
            memory.append((resident(), resident(reads.name)))
    assert capfd.readouterr().err == ""
    with capfd.disabled():
        print("MB of the server and of what reads, after each hundred:", memory)
    assert names(tmp_path) == ["digits"]
    for before, after in zip(memory[1], memory[-1], strict=True):
        assert after - before < 50
