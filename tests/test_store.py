"""The store of verified files: shared, killed, damaged, filled."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import begin
from test_sources import FILES, FIRST, GZIPPED, SECOND, get, names, whole

from recognition.base import door, files
from recognition.sources.fetch import fetch


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


def test_unwritable_store_is_one_line_that_names_it(tmp_path):
    (tmp_path / "store").write_bytes(b"a file where a folder belongs")
    with pytest.raises(FileExistsError) as caught:
        get(tmp_path)
    assert door.failure(caught.value) == (
        f"error: {tmp_path / 'store'}: File exists; something else has that name; move it away"
    )


def test_a_store_that_is_full_is_named(tmp_path, serve, monkeypatch):
    """Not a source's fault, and so not one of their reasons."""

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as caught:
        get(tmp_path, serve(GZIPPED))
    assert door.failure(caught.value).startswith(f"error: {tmp_path / 'store'}: No space left on device; make room")
