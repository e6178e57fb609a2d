"""What is decoded, of which formats, upright, and within a budget of bytes."""

import io
import struct
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recognition.base.errors import UserError
from recognition.ink import decode
from recognition.ink.decode import FORMATS, MAX_BYTES, Room, read_grey
from recognition.ink.pictures import prepare_all

ROOT = Path(__file__).parent.parent
UNREAD = {  # of those that Pillow opens
    "EPS": "is handed to Ghostscript, a program with a history",
    "WMF": "has no decoder but on Windows",
    "BUFR": "has no decoder",
    "GRIB": "has no decoder",
    "HDF5": "has no decoder",
    "MPEG": "has no decoder",
    "FITS": "is unpacked without a limit",
    "IPTC": "holds another picture, of any kind and size",
    "ICNS": "holds another picture, whose size its own does not tell",
    "BLP": "holds another picture, whose size its own does not tell",
    "DDS": "takes seconds a megapixel",
    "IM": "goes from Pillow, which warns of it",
    "IMT": "has no suffix",
    "MCIDAS": "has no suffix",
    "SPIDER": "has no suffix",
    "XVTHUMB": "has no suffix",
}


def page(mode: str = "RGBA", side: int = 300, noisy: bool = False) -> Image.Image:
    """A dark bar on paper, a little transparent where the mode can be."""
    pixels = np.full((side, side, 4), 220, np.uint8)
    if noisy:
        pixels = np.random.default_rng(0).integers(200, 255, (side, side, 4), dtype=np.uint8)
    pixels[side // 10 : side // 2, side // 5 : side // 3] = 40, 40, 40, 255
    if mode == "F":
        return Image.fromarray(pixels[..., 0].astype(np.float32))
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    return Image.fromarray(pixels).convert(mode)


def test_every_format_of_pillow_is_read_or_has_a_reason_not_to_be():
    Image.init()
    assert sorted([*FORMATS, *UNREAD]) == sorted(Image.OPEN)
    ends = Image.registered_extensions()
    assert {end for name in FORMATS for end in FORMATS[name].split()} == {
        end for end, name in ends.items() if (name in FORMATS or name == "MPO") and end not in (".heics", ".heifs")
    }


@pytest.mark.parametrize("kind", "jp2 avif ppm pgm ico tga pcx dib mpo qoi sgi xbm cur".split())  # noqa: SIM905
def test_formats_that_users_have(tmp_path, kind):
    name = f"1.{kind}"
    image = page("1" if kind == "xbm" else "RGB", side=200)
    if kind == "cur":  # an ICO's bytes, but for its kind
        icon = io.BytesIO()
        image.save(icon, "ICO", bitmap_format="bmp", sizes=[(200, 200)])
        (tmp_path / name).write_bytes(b"\0\0\2\0" + icon.getvalue()[4:])
    else:
        image.save(tmp_path / name, **({"sizes": [(200, 200)]} if kind == "ico" else {}))
    grey = read_grey(tmp_path / name)
    assert grey.shape == (200, 200) and grey[50, 50] < 60 < 200 < grey[150, 150]


def test_postscript_is_handed_to_no_program(tmp_path, monkeypatch):
    page("RGB").save(tmp_path / "1.png", "EPS")
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("Ghostscript was called"))
    with pytest.raises(UserError, match=r"1\.png: not a picture of a kind that is read; save it anew as JPEG or PNG"):
        read_grey(tmp_path / "1.png")


def test_a_heic_is_called_one_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.delitem(FORMATS, "HEIF", raising=False)
    (tmp_path / "1.jpg").write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(UserError, match=r"1\.jpg: a HEIC picture; `pip install pillow-heif` to have .*, or save them"):
        read_grey(tmp_path / "1.jpg")


@pytest.mark.parametrize("name", ["1.heic", "1.jpg"])
def test_a_heic_is_read_where_its_library_is_installed(tmp_path, name):
    pytest.importorskip("pillow_heif")
    page("RGB").save(tmp_path / name, "HEIF")
    grey = read_grey(tmp_path / name)
    assert grey.shape == (300, 300) and grey[50, 80] < 60 < 200 < grey[250, 250]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
    with pytest.raises(UserError, match=f"{name}: .*save it anew as"):
        read_grey(tmp_path / name)


FAKE = """
import sys, types
from PIL import Image, PpmImagePlugin
sys.modules["pillow_heif"] = library = types.ModuleType("pillow_heif")
def register_heif_opener():
    Image.register_open("HEIF", PpmImagePlugin.PpmImageFile, lambda prefix: prefix.startswith(b"P5"))
library.register_heif_opener = register_heif_opener
from pathlib import Path
from recognition.ink import decode, pictures
del decode.FORMATS["PPM"]
found = pictures.find_pictures([Path(sys.argv[1])])
print([path.name for path in found.pictures], found.notes(), [decode.read_grey(path).shape for path in found.pictures])
"""


def test_the_library_of_heic_is_asked_for_such_pictures(tmp_path):
    """Another format in its place, as the library may not be here."""
    page("L").save(tmp_path / "1.HEIC", "PPM")
    done = subprocess.run([sys.executable, "-c", FAKE, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['1.HEIC'] [] [(300, 300)]\n", "")


# ---- upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "mpo"])
def test_a_picture_is_turned_once(tmp_path, suffix, orientation):
    upright = np.full((90, 60), 230, np.uint8)
    upright[10:80, 10:20] = upright[10:20, 10:50] = 20  # an F without its middle bar: no two orientations are alike
    stored = {  # how a camera held this way stores the upright picture
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).convert("RGB").save(path, exif=exif, quality=95)
    assert np.abs(read_grey(path).astype(int) - upright).mean() < 8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "CMYK", "I;16"])
def test_in_colour_it_is_upright_too_and_larger(tmp_path, mode):
    pixels = np.full((300, 400, 3), (230, 220, 200), np.uint8)
    pixels[:150, :200] = 40, 60, 160
    path = tmp_path / ("1.jpg" if mode in ("RGB", "CMYK") else "1.png")
    exif = Image.Exif()
    exif[0x0112] = 8  # the camera's side is up
    large = Image.fromarray(pixels).resize((4000, 3000)).transpose(Image.Transpose.ROTATE_270)
    large = large.convert("L").convert("I").convert("I;16") if mode == "I;16" else large.convert(mode)
    large.save(path, exif=exif)
    found, scale = decode.read_picture(path, colour=True)
    assert found.shape == (1500, decode.COLOUR_SIDE, 3) and scale == (2, 2)
    expected = np.asarray(Image.fromarray(pixels).convert("RGB" if mode not in ("L", "I;16") else "L").convert("RGB"))
    assert np.abs(found[::5, ::5] - expected.astype(int)).mean() < (40 if mode == "I;16" else 5)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_strip_is_scaled_by_other_factors_across_than_along(tmp_path, suffix, orientation):
    """As each is rounded to whole pixels; the upright original is low."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    size = (2999, 5) if orientation == 1 else (5, 2999)
    Image.new("L", size, 200).save(tmp_path / f"1.{suffix}", exif=exif)
    grey, (along, across) = decode.read_picture(tmp_path / f"1.{suffix}")
    assert (grey.shape[1] * along, grey.shape[0] * across) == pytest.approx((2999, 5)) and along > across + 0.1


# ---- within a budget


def png(width: int, height: int, kind: int = 6) -> bytes:
    """A whole PNG of nothing, packed a thousand times."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compressobj(1)
    row = bytes(1 + width * {0: 1, 6: 4}[kind])
    data = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def icon(inside: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inside), 22) + inside


def test_an_icon_has_all_the_room_while_it_is_opened(tmp_path, monkeypatch):
    """Pillow decodes what lies in it before anything can be asked."""
    left = []
    opened = Image.open

    def watched(path, **options):
        left.append(decode.ROOM.left)
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", watched)
    (tmp_path / "1.ico").write_bytes(icon(png(64, 64)))
    read_grey(tmp_path / "1.ico")
    page().save(tmp_path / "1.png")
    read_grey(tmp_path / "1.png")
    assert left[0] == 0 < min(left[1:]) and max(left) < MAX_BYTES == decode.ROOM.left


def test_what_lies_in_an_icon_is_not_larger_than_pillows_limit(tmp_path):
    content = bytearray(icon(png(8, 8)))
    content[22 + 16 : 22 + 24] = struct.pack(">II", 15_000, 15_000)
    content[22 + 29 : 22 + 33] = struct.pack(">I", zlib.crc32(content[22 + 12 : 22 + 29]))
    (tmp_path / "1.ico").write_bytes(content)
    with pytest.raises(UserError, match=r"1\.ico: too large"):
        read_grey(tmp_path / "1.ico")


def test_a_file_that_is_larger_than_the_room_is_not_opened(tmp_path):
    page().save(tmp_path / "1.webp")
    with (tmp_path / "1.webp").open("r+b") as file:
        file.truncate(10 << 30)  # a hole
    with pytest.raises(UserError, match=r"1\.webp: too large, it takes more than 1.2 GB to decode; save it as JPEG"):
        read_grey(tmp_path / "1.webp")


HELD = {  # files that hold most for their pixels: the modes and options to save them with
    "1.png": ("RGBA", {}),
    "3.png": ("P", {"transparency": 3}),
    "4.png": ("I;16", {}),
    "1.gif": ("P", {"transparency": 3}),
    "1.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "2.jpg": ("CMYK", {"progressive": True}),
    "1.webp": ("RGBA", {"lossless": True, "quality": 0, "method": 0}),
    "2.webp": ("RGB", {"quality": 90, "method": 0}),
    "1.jp2": ("RGBA", {}),
    "1.avif": ("RGBA", {"speed": 10, "quality": 95, "subsampling": "4:4:4"}),
    "1.tif": ("RGBA", {"compression": "tiff_lzw", "strip_size": 1 << 30}),
    "2.tif": ("F", {"compression": "tiff_lzw", "strip_size": 1 << 30}),
    "1.qoi": ("RGBA", {}),
} | ({"1.heic": ("RGBA", {"quality": 90})} if "HEIF" in FORMATS else {})


MEASURE = """
import os, sys
from pathlib import Path
from recognition.ink import decode
decode.Image.init()
def held():  # not getrusage: its maximum is inherited, from whatever the parent once held
    [most] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(most) * 1024
def measure(path):  # in a process that has held nothing before
    before = held()
    decode.read_grey(path)
    grown = held() - before
    with decode._opened(path) as opened:
        allowed = decode._to_decode(opened) + path.stat().st_size
    print(path.name, grown, allowed, flush=True)
decode.read_grey(Path("data/handwriting/digits/7.png"))
for path in Path(sys.argv[1]).iterdir():
    if not os.fork():
        measure(path)
        os._exit(0)
    os.wait()
"""


def test_no_format_takes_more_than_is_taken_for_it(tmp_path):
    for name, (mode, options) in HELD.items():
        image = page(mode, side=600 if name == "1.qoi" else 2000, noisy=name in ("1.webp", "1.tif", "1.heic"))
        image.save(tmp_path / name, "HEIF" if name == "1.heic" else None, **options)
    done = subprocess.run([sys.executable, "-c", MEASURE, tmp_path], cwd=ROOT, capture_output=True, text=True)
    measured = [line.split() for line in done.stdout.splitlines()]
    assert done.stderr == "" and {name for name, _, _ in measured} == set(HELD)
    assert [line for line in measured if int(line[1]) > int(line[2]) + 10_000_000] == []


def test_what_was_decoded_is_given_back():
    """Or one picture's pixels come on top of the next one's, once more for each thread: 2.7 GB of a budget of 1.2."""
    most_that_glibc_keeps = 32 << 20  # M_MMAP_THRESHOLD's maximum, which it learns from what is freed
    assert Image.core.get_block_size() > most_that_glibc_keeps


@pytest.mark.parametrize(
    ("name", "mode", "options"), [("1.webp", "RGBA", {"lossless": True}), ("1.jp2", "RGB", {}), ("1.gif", "P", {})]
)
def test_what_takes_more_than_the_room_is_refused_before_it_is_decoded(tmp_path, monkeypatch, name, mode, options):
    page(mode).save(tmp_path / name, **options)
    monkeypatch.setattr(decode, "LEAST_BYTES", 0)
    monkeypatch.setattr(decode, "ROOM", Room(90_000 * 8))
    monkeypatch.setattr(decode, "_decode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match=rf"{name}: too large"):
        read_grey(tmp_path / name)


def test_a_picture_is_decoded_in_room_that_was_taken_for_it(tmp_path, monkeypatch):
    page("RGB", side=3000).save(tmp_path / "1.png")
    seen = []
    real = decode._decode
    monkeypatch.setattr(decode, "_decode", lambda *given: seen.append(decode.ROOM.left) or real(*given))
    read_grey(tmp_path / "1.png")
    taken = 3000**2 * decode.BYTES_A_PIXEL + (tmp_path / "1.png").stat().st_size
    assert seen == [MAX_BYTES - taken] and decode.ROOM.left == MAX_BYTES


def test_of_a_jpeg_what_is_decoded_counts_and_what_is_kept_meanwhile(tmp_path, monkeypatch):
    """Progressive, or with each colour in a scan of its own, all of it is kept."""
    monkeypatch.setattr(decode, "LEAST_BYTES", 0)
    decoded, kept = 1500**2 * decode.BYTES_A_PIXEL, 2 * 6000**2 * 1.5
    page("RGB", side=6000).save(tmp_path / "1.jpg")
    page("RGB", side=6000).save(tmp_path / "2.jpg", progressive=True)
    together, first = b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0", b"\xff\xda\0\x08\1\1\0\0\x3f\0"
    (tmp_path / "3.jpg").write_bytes((tmp_path / "1.jpg").read_bytes().replace(together, first))
    for name, bytes_taken in ("1.jpg", decoded), ("2.jpg", decoded + kept), ("3.jpg", decoded + kept):
        with decode._opened(tmp_path / name) as image:
            assert decode._to_decode(image) == bytes_taken
    assert 2 * 16_320 * 12_240 * 1.5 + 2040 * 1530 * decode.BYTES_A_PIXEL < MAX_BYTES  # 200 megapixels of a phone


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_of_a_jpeg_more_pixels_are_read_than_pillow_opens(tmp_path, monkeypatch, mode):
    """Its limit is on what is decoded: other formats keep it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    page(mode).save(tmp_path / "1.jpg")
    assert read_grey(tmp_path / "1.jpg").shape == (300, 300)
    page("RGB").save(tmp_path / "1.png")
    with pytest.raises(UserError, match=r"1\.png: too large"):
        read_grey(tmp_path / "1.png")


def test_pictures_wait_until_there_is_room_for_them():
    room, most = Room(10), 0
    lock = threading.Lock()
    inside: list[int] = []

    def take(n: int) -> None:
        nonlocal most
        with room.taken(n):
            with lock:
                inside.append(n)
                most = max(most, sum(inside))
            with lock:
                inside.remove(n)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, [3, 4, 5, 10, 1, 10, 6] * 50))
    assert 5 < most <= 10 and room.left == 10
    with pytest.raises(MemoryError), room.taken(11):
        pass
    assert room.left == 10


def test_what_could_not_be_read_holds_on_to_nothing(tmp_path):
    (tmp_path / "1.ico").write_bytes(icon(png(3000, 3000)))
    [error] = prepare_all([tmp_path / "1.ico"])
    assert isinstance(error, UserError) and error.__traceback__ is error.__context__ is None
