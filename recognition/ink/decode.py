"""A picture's file to grey values, whatever its format, colours, size and orientation."""

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from recognition.base.errors import UserError

MAX_BYTES = 1_200_000_000  # that all pictures which are being decoded may take together; of 2 GB torch has 0.6
BYTES_A_PIXEL = 9  # of a picture that is decoded: with a palette, its colours with transparency, and those made smaller
HUNGRIER = {
    "TIFF": 12,
    "HEIF": 16,
    "AVIF": 18,
    "WEBP": 18,
    "JPEG2000": 25,
}  # in several copies, as measured
ICON = b"\0\0\1\0"  # what an ICO begins with
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # of what iPhones take
LEAST_BYTES = 72_000_000  # for what comes after, on at most twice MAX_SIDE each way; four times that for COLOUR_SIDE
MAX_SIDE = 1000  # pixels to work on: a pen of 1 % of the height is then still 10 wide
COLOUR_SIDE = 2000  # pixels to look at

FORMATS = {  # that are read, and how their files' names end: all of Pillow's with such an end, but for a few
    # EPS is handed to Ghostscript, a program that it can give orders; WMF, BUFR, GRIB, HDF5 and MPEG have no decoder;
    # FITS is unpacked without a limit; in IPTC, ICNS and BLP lies another picture, whose size theirs does not tell; DDS
    # takes seconds a megapixel.
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "BMP": ".bmp",
    "GIF": ".gif",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
    "WEBP": ".webp",
    "TIFF": ".tif .tiff",
    "AVIF": ".avif .avifs",
    "JPEG2000": ".jp2 .j2k .jpc .jpf .jpx .j2c",
    "CUR": ".cur",
    "DCX": ".dcx",
    "DIB": ".dib",
    "FLI": ".fli .flc",
    "FTEX": ".ftc .ftu",
    "GBR": ".gbr",
    "ICO": ".ico",
    "MSP": ".msp",
    "PCD": ".pcd",
    "PCX": ".pcx",
    "PIXAR": ".pxr",
    "PSD": ".psd",
    "QOI": ".qoi",
    "SGI": ".sgi .bw .rgb .rgba",
    "SUN": ".ras",
    "TGA": ".tga .icb .vda .vst",
    "XBM": ".xbm",
    "XPM": ".xpm",
}

HEIF_ENDS = ".heic .heif .hif"
HEIF_MEND = "`pip install pillow-heif` to have HEIC pictures read, or save them as JPEG"
try:
    from pillow_heif import register_heif_opener  # pyrefly: ignore[missing-import]
except ImportError:
    pass
else:
    register_heif_opener()
    FORMATS["HEIF"] = HEIF_ENDS

UPRIGHT: dict[object, Image.Transpose] = {  # EXIF's orientation to what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)

warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of damaged notes in a picture that is read
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the budget of bytes decides
Image.MAX_IMAGE_PIXELS = 100_000_000  # Pillow refuses twice as many, before anything of them is decoded; see _opened
Image.core.set_block_size(64 << 20)  # of smaller blocks the C library keeps what was freed, for each thread its own
Image.preinit()  # the five formats that come first in FORMATS, or the first picture would have Pillow import all

for _library in (Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff*"):
    for _says in "TIFFSetWarningHandler", "TIFFSetErrorHandler":  # line by line, without the file's name
        getattr(ctypes.CDLL(str(_library)), _says)(None)


class Room:
    """Bytes that several threads share: who is about to take some waits until there are as many.

    Raises MemoryError for more than there are at all. Who has some must not ask for more: two who did would wait for
    each other.
    """

    def __init__(self, n: int) -> None:
        self.n = self.left = n
        self.changed = Condition()

    @contextmanager
    def taken(self, n: int) -> Iterator[None]:
        if n > self.n:
            raise MemoryError
        with self.changed:
            self.changed.wait_for(lambda: self.left >= n)
            self.left -= n
        try:
            yield
        finally:
            with self.changed:
                self.left += n
                self.changed.notify_all()


ROOM = Room(MAX_BYTES)


class Picture(NamedTuple):
    pixels: np.ndarray  # (H, W) or (H, W, 3) uint8, upright
    scale: tuple[float, float]  # pixels of the upright original to one of these, to the right and down


def read_grey(path: Path) -> np.ndarray:
    """Decode a picture to (H, W) uint8 grey values, upright, at most MAX_SIDE high and wide. Raises UserError."""
    return read_picture(path).pixels


def read_picture(path: Path, colour: bool = False) -> Picture:
    """Decode a picture to grey values, at most MAX_SIDE high and wide, or to colours, at most COLOUR_SIDE.

    What is transparent becomes white, or black where the ink is white. Of an animation or several
    pages, the first. Raises UserError.
    """
    kind = ("RGB", COLOUR_SIDE) if colour else ("L", MAX_SIDE)
    try:
        with ROOM.taken(_needed(path, *kind)), _opened(path) as image:
            return _decode(image, *kind)
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        room = f"{MAX_BYTES / 1e9:g} GB"
        raise UserError(
            f"{path}: too large, it takes more than {room} to decode; save it as JPEG, or at a smaller size"
        ) from None
    except UnidentifiedImageError:
        if _is_heif(path) and "HEIF" not in FORMATS:
            raise UserError(f"{path}: a HEIC picture; {HEIF_MEND}") from None
        raise UserError(f"{path}: not a picture of a kind that is read; save it anew as JPEG or PNG") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a picture") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; give yourself the right to read it") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise UserError(f"{path}: cannot be read as a picture ({reason}); save it anew as PNG or JPEG") from None


def _opened(path: Path) -> Image.Image:
    """A JPEG of any size: it is decoded smaller, and how much that takes is known before."""
    try:
        return Image.open(path, formats=list(FORMATS))
    except Image.DecompressionBombError as error:
        try:
            return JpegImageFile(path)
        except SyntaxError:
            raise error from None


def _needed(path: Path, mode: str, side: int) -> int:
    """Bytes to decode a picture in.

    To look at it takes some, too: some of Pillow's readers take in the whole file, and join its parts. An icon is
    decoded at once, and its size is known only then, so that it has all the room there is.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        icon = file.read(len(ICON)) == ICON
    with ROOM.taken(max(2 * size, MAX_BYTES if icon else 0)), _opened(path) as image:
        return _to_decode(image, mode, side) + size


def _to_decode(image: Image.Image, mode: str = "L", side: int = MAX_SIDE) -> int:
    """Bytes: of the pixels, and of all of a JPEG's coefficients, where they are kept, however small it is decoded."""
    coefficients = 0.0
    if isinstance(image, JpegImageFile) and not _in_one_scan(image):
        blocks = [across * down for _, across, down, _ in image.layer]  # of each colour, beside the others'
        coefficients = 2 * image.width * image.height * sum(blocks) / max(blocks)
    image.draft(mode, (side, side))  # a JPEG at 1/2, 1/4 or 1/8, where that is large enough
    pixels = image.width * image.height * HUNGRIER.get(image.format or "", BYTES_A_PIXEL)
    return round(max(LEAST_BYTES * (side / MAX_SIDE) ** 2, pixels + coefficients))


def _in_one_scan(image: JpegImageFile) -> bool:
    """Whether a JPEG has all of a block's coefficients, of all colours, together: neither progressive nor colour by
    colour. It is to have just been opened, which ends behind the header of its first scan."""
    n, file = len(image.layer), image.fp
    assert file
    header = b"\xff\xda" + (6 + 2 * n).to_bytes(2) + bytes([n])
    end = file.tell()
    file.seek(max(0, end - 8 - 2 * n))
    begins = file.read(len(header))
    file.seek(end)
    return begins == header and "progressive" not in image.info


def _is_heif(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(12)
    return begins[4:8] == b"ftyp" and begins[8:] in HEIF_BRANDS


def _decode(image: Image.Image, mode: str, side: int) -> Picture:
    width, height = image.size
    image.draft(mode, (side, side))
    image.load()  # a TIFF is turned by Pillow itself, and has lost its note then
    orientation = _orientation(image)
    if orientation in SIDEWAYS:
        width, height = height, width
    if image.mode.startswith(("I", "F")):  # 16 bits and more: their own range counts, often it is not the full one
        image = Image.fromarray(_stretch(image))
    elif image.mode == "P" or image.has_transparency_data:
        image = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    factor = max(1, max(image.size) // side)
    if factor > 1:
        image = image.reduce(factor)
    if image.mode in ("LA", "RGBA"):
        image = _flatten(image.convert("RGBA"))
    image = image.convert(mode)
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.BOX)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return Picture(np.asarray(image), (width / image.width, height / image.height))


def _orientation(image: Image.Image) -> object:
    """How the camera was held; None where it does not say, or its note is damaged."""
    try:
        return image.getexif().get(0x0112)
    except Exception:  # Pillow's parser raises whatever a damaged block makes it stumble over
        return None


def _stretch(image: Image.Image) -> np.ndarray:
    """(H, W) numbers of any range to 0 to 255, in strips; what is not finite is taken for the lowest."""
    rows = max(1, 1_000_000 // image.width)
    tops = range(0, image.height, rows)

    def strip(top: int) -> np.ndarray:
        return np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))

    ends = [(part.min(), part.max()) for part in (s[np.isfinite(s)] for s in map(strip, tops)) if part.size]
    low, high = (float(min(ends)[0]), float(max(end for _, end in ends))) if ends else (0.0, 0.0)
    found = np.empty((image.height, image.width), np.uint8)
    with np.errstate(all="ignore"):  # of a range beyond what floats hold, nothing is left
        for top in tops:
            values = strip(top)
            values = np.where(np.isfinite(values), values, low)
            found[top : top + rows] = ((values - low) * (255 / (high - low or 1))).astype(np.uint8)
    return found


def _flatten(image: Image.Image) -> Image.Image:
    """On white; on black what would be invisible there, such as white chalk from a drawing program."""
    for paper in ("white", "black"):
        flat = Image.new("RGBA", image.size, paper)
        flat.alpha_composite(image)
        if np.ptp(np.asarray(flat.convert("L"))) > 8:
            break
    return flat
