"""Files from web servers: an HTTP server on loopback that is wrong, slow, silent or endless."""

import gzip
import ssl
import time
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from urllib.error import URLError

import pytest
from conftest import begin
from test_sources import CONTENT, FIRST, GZIPPED, SECOND, SILENCE_S, SOON_S, get, names, whole

from recognition.base.errors import UserError
from recognition.sources import web
from recognition.sources.fetch import CHUNK, Failure, reason
from recognition.sources.web import Mirror


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
