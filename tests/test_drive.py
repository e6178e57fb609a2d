"""Google Drive and Omniglot under the clock that every source has, and behind a company's certificate."""

from threading import Event

import gdown
import pytest
import requests
from test_letter_sources import TIMEOUT, Drive, archive, drive, nothing, omniglot, page  # noqa: F401  a fixture

from recognition.greek import sources
from recognition.sources.fetch import Failure


@pytest.fixture
def hang():
    """What a server does that sends a byte now and then; the thread that waits for it ends with the test."""
    over = Event()
    yield lambda *_, **__: over.wait(60)
    over.set()


def test_a_listing_that_drips_is_left(monkeypatch, tmp_path, hang):
    monkeypatch.setattr(sources, "LONGEST_S", 0.2)
    Drive(monkeypatch, {"alpha/1.png": page()})
    monkeypatch.setattr(gdown, "download_folder", hang)
    with pytest.raises(Failure, match=r"^not done after 0\.2 s$"):
        drive(tmp_path)


def test_of_pictures_that_drip_those_that_came_are_used(monkeypatch, tmp_path, hang):
    monkeypatch.setattr(sources, "LONGEST_S", 1.0)
    there = Drive(monkeypatch, {"alpha/1.png": page(), "beta/1.png": page(1)})
    monkeypatch.setattr(gdown, "download", lambda **k: hang() if k["id"] == "1" else there.get(**k))
    told: list[str] = []
    assert [picture.letter for picture in drive(tmp_path, told.append)] == ["alpha"]
    assert told[0].startswith("drive: not done after 1 s; 1 of its 2 pictures came and are kept")


def test_an_archive_that_drips_is_left(monkeypatch, tmp_path, omniglot):  # noqa: F811
    monkeypatch.setattr("recognition.sources.fetch.LONGEST_S", 0.0)
    omniglot(archive())
    with pytest.raises(Failure, match="not done after 0 s"):
        sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)


UNKNOWN = (
    "HTTPSConnectionPool(host='drive.google.com', port=443): Max retries exceeded with url: /drive/folders/1c4XRiis "
    "(Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    "self-signed certificate in certificate chain (_ssl.c:1006)')))"
)


def test_a_certificate_that_is_not_known_names_the_mend_that_drives_library_heeds(monkeypatch, tmp_path):
    """It is requests, which does not look at SSL_CERT_FILE."""
    Drive(monkeypatch, {"alpha/1.png": requests.exceptions.SSLError(UNKNOWN)})
    with pytest.raises(Failure) as caught:
        drive(tmp_path)
    assert str(caught.value) == (
        "certificate verify failed: self-signed certificate in certificate chain; your network's own: "
        "REQUESTS_CA_BUNDLE=FILE.pem"
    )


def test_what_else_a_library_says_at_length_keeps_its_end(monkeypatch, tmp_path):
    Drive(monkeypatch, {"alpha/1.png": ConnectionError(f"it began {'x' * 999} and ended")})
    with pytest.raises(Failure, match=r"^it began x+…x+ and ended$"):
        drive(tmp_path)
