"""A picture's file to grey values, whatever its format, colours, size and orientation."""

import ctypes
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

import numpy as np
import PIL
from PIL import Image, UnidentifiedImageError

from recognition.base.errors import UserError

MAX_PIXELS = 100_000_000  # of a picture's header; beyond it a file is taken for a decompression bomb
MAX_BYTES = 1_200_000_000  # that all pictures which are being decoded may take together
BYTES_A_PIXEL = 12  # what the hungriest decoder takes, JPEG 2000's: three colours of 4 bytes, beside Pillow's own 4
MAX_SIDE = 1000  # pixels to work on: a pen of 1 % of the height is then still 10 wide

UPRIGHT: dict[object, Image.Transpose] = {  # EXIF's orientation to what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of damaged notes in a picture that is read
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit only warns up to twice as many: `read_grey` has MAX_PIXELS


for _library in (Path(PIL.__file__).parent.parent / "pillow.libs").glob("libtiff*"):
    for _says in "TIFFSetWarningHandler", "TIFFSetErrorHandler":  # line by line, without the file's name
        getattr(ctypes.CDLL(str(_library)), _says)(None)


class Room:
    """Bytes that several threads share: who is about to take some waits until there are as many."""

    def __init__(self, n: int) -> None:
        self.n = self.left = n
        self.changed = Condition()

    @contextmanager
    def taken(self, n: int) -> Iterator[None]:
        n = min(n, self.n)  # what needs more has all of it
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


def read_grey(path: Path) -> np.ndarray:
    """Decode a picture to (H, W) uint8 grey values, upright, at most MAX_SIDE high and wide.

    What is transparent becomes white, or black where the ink is white. Of an animation or several
    pages, the first. Raises UserError.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{path}: more than {MAX_PIXELS // 10**6} megapixels; save the picture at a smaller size"
                )
            whole = image.width * image.height
            image.draft("L", (MAX_SIDE, MAX_SIDE))  # a JPEG is decoded at 1/2, 1/4 or 1/8, where that is large enough
            coefficients = whole * (BYTES_A_PIXEL // 2) if image.format == "JPEG" else 0  # a progressive one's
            with ROOM.taken(image.width * image.height * BYTES_A_PIXEL + coefficients):
                return _decode(image)
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path}: too large for this machine's memory; save the picture at a smaller size") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a picture that Pillow knows; save it anew as PNG or JPEG") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a picture") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; give yourself the right to read it") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise UserError(f"{path}: cannot be read as a picture ({reason}); save it anew as PNG or JPEG") from None


def _decode(image: Image.Image) -> np.ndarray:
    upright = UPRIGHT.get(_orientation(image))
    if image.mode.startswith(("I", "F")):  # 16 bits and more: their own range counts, often it is not the full one
        image = Image.fromarray(_stretch(image))
    elif image.mode == "P" or image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    factor = max(1, max(image.size) // MAX_SIDE)
    if factor > 1:
        image = image.reduce(factor)
    if image.mode == "RGBA":
        image = _flatten(image)
    image = image.convert("L")
    if max(image.size) > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
    return np.asarray(image if upright is None else image.transpose(upright))


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
        flat = flat.convert("L")
        if np.ptp(np.asarray(flat)) > 8:
            break
    return flat
