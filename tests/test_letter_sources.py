"""Where Greek letters come from: each source, and each way in which it fails."""

import errno
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import gdown
import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import Omniglot

from recognition.base import alphabet, files
from recognition.base.errors import UserError
from recognition.greek import sources
from recognition.greek.sources import Picture
from recognition.ink.characters import find_characters
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength
from recognition.sources.fetch import Failure

TIMEOUT = 5.0
HANDS = 2


def page(seed: int = 0) -> bytes:
    """A PNG of a bar on paper."""
    grey = np.full((60, 60), 220, np.uint8)
    grey[10:50, 20 + seed : 28 + seed] = 40
    content = io.BytesIO()
    Image.fromarray(grey).save(content, "PNG")
    return content.getvalue()


def put(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(page(seed))


def nothing(*_: object) -> None:
    pass


# ---- the user's own


def test_a_folder_a_letter(tmp_path):
    put(tmp_path, "alpha/anna.png", "beta/anna.png", "beta/IMG_7.png")
    found = sources.folder(tmp_path, nothing)
    assert [(p.letter, p.writer) for p in found] == [("alpha", "anna"), ("beta", ""), ("beta", "anna")]
    assert [Path(p.origin) for p in found] == sorted(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir(), lambda root: put(root, "alpha/x.txt")])
def test_an_empty_folder_has_nothing(tmp_path, make):
    make(tmp_path / "greek")
    with pytest.raises(Failure, match="no pictures there"):
        sources.folder(tmp_path / "greek", nothing)


def test_an_unknown_letter_is_an_error_that_names_the_known_ones(tmp_path):
    put(tmp_path, "alpha/1.png", "alfa/1.png")
    with pytest.raises(UserError, match=r"alfa/1\.png: .* alpha, beta") as caught:
        sources.folder(tmp_path, nothing)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(tmp_path):
    put(tmp_path, "alpha/1.png")
    (tmp_path / "alpha" / "2.png").write_bytes(b"no picture")
    Image.new("L", (50, 50), 230).save(tmp_path / "alpha" / "3.png")
    told = []
    assert len(sources.folder(tmp_path, told.append)) == 1
    assert len(told) == 2 and "2.png: not a picture" in told[0] and "3.png: no ink" in told[1]
    (tmp_path / "alpha" / "1.png").unlink()
    with pytest.raises(Failure, match="none of its 2 pictures can be read"):
        sources.folder(tmp_path, nothing)


# ---- Google Drive, gdown's two functions replaced


class Drive:
    """A folder on Drive: {path: bytes, or the exception that its download raises}."""

    def __init__(self, monkeypatch, contents: dict[str, bytes | Exception]) -> None:
        self.contents, self.asked, self.written = list(contents.values()), [], 0
        self.listing = [SimpleNamespace(id=str(i), path=path) for i, path in enumerate(contents)]
        monkeypatch.setattr(gdown, "download_folder", self.list)
        monkeypatch.setattr(gdown, "download", self.get)

    def list(self, url, *, skip_download, timeout, **_):
        assert url == sources.DRIVE and skip_download and timeout == TIMEOUT
        return self.listing

    def get(self, *, id, output, timeout, progress, **_):
        assert timeout == TIMEOUT
        self.asked.append(id)
        if isinstance(content := self.contents[int(id)], Exception):
            raise content
        with Path(output).open("wb") as file:
            for start in range(0, len(content), 100):
                self.written += file.write(content[start : start + 100])
                progress(file.tell(), None)


def drive(folder: Path, complain=nothing) -> list[Picture]:
    (folder / "scratch").mkdir(exist_ok=True)
    return sources.drive(folder / "kept", folder / "scratch", TIMEOUT, nothing, complain)


def test_drive_labels_by_path_and_fetches_nothing_else(monkeypatch, tmp_path):
    names = ["greek_train/alpha/alpha_001.png", "greek_train/beta/beta_001.png", "notes.txt", "readme.png"]
    there = Drive(monkeypatch, {name: page(i) for i, name in enumerate(names)})
    found = drive(tmp_path)
    assert [(p.letter, p.writer, p.origin) for p in found] == [("alpha", "001", names[0]), ("beta", "001", names[1])]
    assert there.asked == ["0", "1"]


def test_a_folder_of_another_layout_fetches_nothing(monkeypatch, tmp_path):
    there = Drive(monkeypatch, {"data/1.png": page(), "greek.zip": b""})
    with pytest.raises(Failure, match="none of its 2 files is a picture whose path names a Greek letter"):
        drive(tmp_path)
    assert there.asked == [] and not (tmp_path / "kept").exists()


@pytest.mark.parametrize("path", ["../../alpha/1.png", "/etc/alpha.png", "alpha/../../../1.png"])
def test_a_name_that_climbs_out_is_refused_before_anything_is_fetched(monkeypatch, tmp_path, path):
    there = Drive(monkeypatch, {"beta/1.png": page(), path: page()})
    with pytest.raises(Failure, match="climbs out"):
        drive(tmp_path)
    assert there.asked == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            gdown.exceptions.FileURLRetrievalError("Too many users have viewed this file recently.\nTry later"),
            "Too many",
        ),
        (gdown.exceptions.DownloadError("Failed to retrieve folder contents (status code 404). You may"), "404"),
        (TimeoutError(), "silent for 5 s"),
        (AttributeError("'NoneType' object has no attribute 'find'"), "NoneType"),
    ],
)
@pytest.mark.parametrize("where", ["listing", "file"])
def test_drives_failures_are_one_line(monkeypatch, tmp_path, error, says, where):
    Drive(monkeypatch, {"alpha/1.png": page(), "alpha/2.png": error})
    if where == "listing":

        def fail(*_, **__):
            raise error

        monkeypatch.setattr(gdown, "download_folder", fail)
    with pytest.raises(Failure, match=says) as caught:
        drive(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_quota_met_half_way_costs_nothing_and_letters_that_are_whole_are_used(monkeypatch, tmp_path):
    """At the third of five pictures; and again, where the next try stops later."""
    contents = {f"{name}.png": page(i) for i, name in enumerate(["alpha/1", "alpha/2", "beta/1", "beta/2", "gamma/1"])}
    quota = gdown.exceptions.FileURLRetrievalError("Too many users have viewed this file recently.")
    told: list[str] = []
    there = Drive(monkeypatch, contents | {"beta/1.png": quota})
    assert [picture.letter for picture in drive(tmp_path, told.append)] == ["alpha", "alpha"]
    assert there.asked == ["0", "1", "2"]
    there = Drive(monkeypatch, contents | {"gamma/1.png": quota})
    assert {picture.letter for picture in drive(tmp_path, told.append)} == {"alpha", "beta"}
    assert there.asked == ["2", "3", "4"]
    assert told == [
        f"drive: Too many users have viewed this file recently.; {n} of its 5 pictures came and are kept; "
        f"the next try asks for the rest, of {letters}"
        for n, letters in ((2, "beta, gamma"), (4, "gamma"))
    ]
    there = Drive(monkeypatch, contents)
    assert len(drive(tmp_path)) == 5 and there.asked == ["4"]
    assert len(drive(tmp_path)) == 5 and there.asked == ["4"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE])
def test_a_full_disk_is_not_drives_fault(monkeypatch, tmp_path, number):
    """Or its letters would come from another source, as other data, with exit code 0."""
    Drive(monkeypatch, {"alpha/1.png": page(), "alpha/2.png": OSError(number, "of this machine")})
    with pytest.raises(OSError, match="of this machine") as caught:
        sources.gather([("drive", lambda: drive(tmp_path)), ("rendered", sources.rendered)], nothing)
    assert caught.value.errno == number and caught.value.filename == str(tmp_path / "scratch")
    Drive(monkeypatch, {"alpha/1.png": page(), "beta/1.png": page()})

    def full(path: Path, content: bytes) -> None:
        raise OSError(number, "of this machine", str(path))

    monkeypatch.setattr(files, "write_bytes", full)
    (tmp_path / "kept" / "0.png").unlink()
    with pytest.raises(OSError, match="of this machine") as caught:
        sources.gather([("drive", lambda: drive(tmp_path)), ("rendered", sources.rendered)], nothing)
    assert caught.value.filename == str(tmp_path / "kept" / "0.png")


def test_a_page_instead_of_a_picture_is_asked_for_again(monkeypatch, tmp_path):
    Drive(monkeypatch, {"alpha/1.png": b"<html>quota exceeded</html>", "alpha/2.png": page()})
    assert len(drive(tmp_path)) == 1
    there = Drive(monkeypatch, {"alpha/1.png": page(1), "alpha/2.png": page()})
    assert len(drive(tmp_path)) == 2 and there.asked == ["0"]


def test_a_name_of_drives_that_is_none_is_refused(monkeypatch, tmp_path):
    there = Drive(monkeypatch, {"alpha/1.png": page()})
    there.listing[0].id = "../../alpha"
    with pytest.raises(Failure, match="none of its names"):
        drive(tmp_path)
    assert there.asked == []


def test_a_picture_larger_than_any_is_refused_as_it_comes(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "DRIVE_PICTURE_BYTES", 1000)
    there = Drive(monkeypatch, {"alpha/1.png": page(), "alpha/2.png": bytes(10**6), "alpha/3.png": page()})
    with pytest.raises(Failure, match=r"^alpha/2\.png is larger than 1000 bytes$"):
        drive(tmp_path)
    assert there.asked == ["0", "1"] and there.written <= len(page()) + 1100


def test_pictures_that_are_too_many_or_too_large_together_are_refused(monkeypatch, tmp_path):
    there = Drive(monkeypatch, {f"alpha/{i}.png": page(i) for i in range(4)})
    monkeypatch.setattr(sources, "DRIVE_BYTES", 2 * len(page()) + 10)
    with pytest.raises(Failure, match=r"larger than \d+ bytes, all together"):
        drive(tmp_path)
    assert there.asked == ["0", "1", "2"]
    monkeypatch.setattr(sources, "DRIVE_PICTURES", 3)
    with pytest.raises(Failure, match="lists 4 pictures, more than 3"):
        drive(tmp_path)
    assert there.asked == ["0", "1", "2"]


def test_what_is_announced_as_too_large_is_not_waited_for():
    with pytest.raises(Failure, match="larger"):
        sources.refuse_excess(PurePosixPath("alpha/1.png"), 0, 1, sources.DRIVE_PICTURE_BYTES + 1)


def test_a_page_instead_of_a_picture_is_told(monkeypatch, tmp_path):
    Drive(monkeypatch, {"alpha/1.png": b"<html>quota exceeded</html>"})
    with pytest.raises(Failure, match="none of its 1 pictures can be read"):
        drive(tmp_path)


# ---- Omniglot, its server replaced by one on this machine


@pytest.fixture
def omniglot(monkeypatch):
    """Serve an archive as Omniglot's: call it with {member: bytes}, and with the md5 that torchvision expects."""
    servers = []

    def serve(members: dict[str, bytes], right: bool = True, status: int = 200) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/images_background.zip" else 404)
                self.end_headers()
                self.wfile.write(content.getvalue())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(Omniglot, "download_url_prefix", f"http://127.0.0.1:{server.server_port}")
        if right:
            md5 = hashlib.md5(content.getvalue()).hexdigest()
            monkeypatch.setattr(Omniglot, "zips_md5", {"images_background": md5})

    yield serve
    for server in servers:
        server.shutdown()


def archive(letters: int = 24) -> dict[str, bytes]:
    root = "images_background/Greek"
    greek = {
        f"{root}/character{n:02}/{393 + n:04}_{drawer:02}.png": page(n)
        for n in range(1, letters + 1)
        for drawer in (1, 2)
    }
    return {**greek, "images_background/Latin/character01/0600_01.png": page()}


def test_omniglots_characters_are_alpha_to_omega_by_their_drawers(omniglot, tmp_path):
    omniglot(archive())
    found = sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)
    assert [p.letter for p in found] == [name for name in alphabet.NAMES for _ in (1, 2)]
    assert {p.writer for p in found} == {"drawer_01", "drawer_02"}
    assert found[-1].origin == "character24/0417_02.png"


def test_omniglots_failures_are_one_line(omniglot, tmp_path):
    omniglot(archive(), right=False)
    with pytest.raises(Failure, match="not the archive that torchvision knows"):
        sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)
    omniglot({"images_background/Latin/character01/0600_01.png": page()})
    with pytest.raises(Failure, match="no Greek alphabet"):
        sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)
    omniglot(archive(), status=503)
    with pytest.raises(Failure, match="503"):
        sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)


def test_an_archive_without_end_is_left(omniglot, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "OMNIGLOT_BYTES", 1000)
    omniglot(archive())
    with pytest.raises(Failure, match="more than 1000 bytes"):
        sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)


def test_a_full_disk_is_not_omniglots_fault(omniglot, tmp_path):
    omniglot(archive())
    (tmp_path / "images_background.zip").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        sources.gather(
            [
                ("omniglot", lambda: sources.omniglot(tmp_path, TIMEOUT, nothing, nothing)),
                ("rendered", sources.rendered),
            ],
            nothing,
        )
    assert caught.value.filename == str(tmp_path)


# ---- rendered


@pytest.fixture(scope="module")
def rendered() -> list[Picture]:
    return sources.rendered(HANDS)


def test_every_letter_by_every_hand_and_in_every_face(rendered):
    assert len(rendered) == 24 * HANDS + 16 * (24 + 3)
    assert {p.letter for p in rendered} == set(alphabet.NAMES)
    hands = {f"hand {n}" for n in range(1, HANDS + 1)}
    assert {p.writer for p in rendered} == hands | {name for name, _, _ in sources.FACES}
    assert len({(p.letter, p.name) for p in rendered}) == len(rendered)
    assert all(
        p.grey[0].min() == p.grey[-1].min() == p.grey[:, 0].min() == p.grey[:, -1].min() == 255 for p in rendered
    )


def test_the_letters_of_a_face_are_all_different(rendered):
    """A face without Greek letters draws one box for all of them."""
    for face in {p.name.removesuffix("-form2") for p in rendered if not p.name.startswith("hand")}:
        drawn = [normalise(find_characters(strength(p.grey))[0].ink) for p in rendered if p.name == face]
        assert len(drawn) == 24
        apart = [np.abs(a.astype(int) - b).sum() / a.sum() for i, a in enumerate(drawn) for b in drawn[:i]]
        assert min(apart) > 0.1


def test_they_are_the_same_every_time(rendered):
    again = sources.rendered(HANDS)
    assert all(np.array_equal(a.grey, b.grey) and a[:4] == b[:4] for a, b in zip(rendered, again, strict=True))


# ---- together


def picture(letter: str, name: str = "x") -> Picture:
    return Picture(letter, name, "", "", np.zeros((2, 2), np.uint8))


def test_each_letter_comes_from_the_first_source_that_has_it():
    def broken():
        raise Failure("no answer")

    def never():
        raise AssertionError("asked in vain")

    told = []
    places = [
        ("broken", broken),
        ("own", lambda: [picture("alpha"), picture("alpha")]),
        ("all", lambda: [picture(name) for name in alphabet.NAMES]),
        ("never", never),
    ]
    found = sources.gather(places, told.append)
    assert [(name, p.letter) for name, p in found[:3]] == [("own", "alpha"), ("own", "alpha"), ("all", "beta")]
    assert len(found) == 2 + 23 and told == ["broken: no answer"]
    assert sources.gather([("broken", broken)], told.append) == []


def test_file_names_are_plain_and_differ():
    pictures = [picture("alpha", name) for name in ("a", "A", "a_2", "../x", "été", "β")] + [picture("beta", "a")]
    assert sources.file_names(pictures) == ["a", "a_2", "a_2_2", "x", "t", "picture", "a"]
