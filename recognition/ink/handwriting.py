"""Any picture of one handwritten character to 28x28 as MNIST was made. No torch.

MNIST's recipe (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"): the character is
scaled into 20x20 keeping its proportions, anti-aliased, and put into 28x28 with its centre of mass in the middle; ink
is light, paper black. What comes before is to find the ink, whatever the pen, the paper and the light.

Three steps, each of which can be looked at: `read_grey` (file to grey values), `find_ink` (grey values to the strength
of the ink of the one character), `normalise` (ink to 28x28). `prepare` does all of it.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import ndimage
from skimage.morphology import skeletonize

from recognition.base.errors import UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"})

MAX_PIXELS = 100_000_000  # of a picture's header; beyond it a file is taken for a decompression bomb
MAX_SIDE = 1000  # pixels to work on: a pen of 1 % of the height is then still 10 wide
SAME_INK = 0.4  # of the strongest ink's level: what is weaker is no ink, but ruled lines, shadows or the page's back
GAP = 0.02  # of the picture's side: pieces nearer to each other belong together, as of a dry pen
TOUCHING = np.ones((3, 3))  # a pixel's neighbours, diagonal ones too

IMAGE_SIZE = 28  # pixels, MNIST's picture
BOX_SIZE = 20  # pixels, the box that MNIST's characters fill
MASS_CENTRE = 14.5  # pixels from the edge: MNIST's centres of mass lie in the pixel right of and below the middle
FINE = 8  # fine pixels per pixel of the result, on which strokes are measured and thickened
STROKE_WIDTH = 2.4  # pixels, the median of MNIST (5 % are below 1.6, 5 % above 4.0, measured as `_stroke_width` does)


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


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Files as they are given, whatever their suffix; folders recursively, sorted, without hidden files and folders.

    Raises UserError for a path that is not there.
    """
    pictures = []
    for path in paths:
        if path.is_dir():
            pictures += sorted(file for file in path.rglob("*") if _is_picture(file, path))
        elif path.exists():
            pictures.append(path)
        else:
            raise UserError(f"{path}: no such file or folder; name a picture or a folder of pictures")
    return pictures


def label_of(picture: Path, classes: Sequence[str]) -> str | None:
    """The class that a picture's path tells: its folder's name, or else the first character of the file's name."""
    return next((name for name in (picture.parent.name, picture.name[:1]) if name in classes), None)


def prepare(path: Path) -> np.ndarray:
    """The picture at `path` as a network reads it, (28, 28) uint8. Raises UserError: it cannot be read, or is empty."""
    ink = find_ink(read_grey(path))
    if not ink.any():
        raise UserError(f"{path}: no ink found; the picture must show one character, darker or lighter than its paper")
    return normalise(ink)


def prepare_all(paths: Sequence[Path], seen: Callable[[int], object] = lambda n: None) -> list[np.ndarray | UserError]:
    """Every picture as `prepare` makes it, or why there is none, side by side on every core, in the order given.

    `seen` is called with the number done since its last call.
    """

    def one(path: Path) -> np.ndarray | UserError:
        try:
            return prepare(path)
        except UserError as error:
            return error

    found = []
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))  # a hundred megapixels take a gigabyte
    try:
        for picture in pool.map(one, paths):
            found.append(picture)
            seen(1)
    finally:
        pool.shutdown(cancel_futures=True)
    return found


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
            return _decode(image)
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(f"{path}: not a picture that Pillow knows; save it anew as PNG or JPEG") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a picture") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; give yourself the right to read it") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise UserError(f"{path}: cannot be read as a picture ({reason}); save it anew as PNG or JPEG") from None


def find_ink(grey: np.ndarray) -> np.ndarray:
    """Strength of the character's ink, (H, W) float32 from 0 (paper) to 1, of a picture (H, W) uint8. All 0: no ink.

    Whether ink is darker or lighter than the paper is decided from the picture. Light is taken to multiply: ink is what
    is darker by some share than the brightest paper around. Of what is dark, the character is the piece with most ink
    away from the picture's edges, and the pieces near it.
    """
    paper_is_dark = _is_light_on_dark(grey)
    level = np.float32(255) - grey if paper_is_dark else grey.astype(np.float32)
    return _character(*_strength(level))


def normalise(ink: np.ndarray) -> np.ndarray:
    """Ink (H, W), from 0 on paper to 1 and not all 0, to (28, 28) uint8 as MNIST was made.

    Strokes thinner than MNIST's typical ones are thickened to their width; thick ones stay.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = BOX_SIZE * FINE
    fine = _fit(crop, box)
    missing = STROKE_WIDTH * FINE - _stroke_width(fine)
    if missing > 1:
        radius = missing / 2 * (1 - missing / box)  # the thickened character is scaled down to fit again
        fine = _fit(_thicken(fine, radius), box)
    return _centre(fine)


def _is_picture(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.suffix.lower() in SUFFIXES and file.is_file()


def _decode(image: Image.Image) -> np.ndarray:
    image.draft("L", (MAX_SIDE, MAX_SIDE))  # a JPEG is decoded at 1/2, 1/4 or 1/8, where that is large enough
    upright = UPRIGHT.get(_orientation(image))
    if image.mode.startswith(("I", "F")):  # 16 bits and more: their own range counts, often it is not the full one
        image = Image.fromarray(_stretch(np.asarray(image)))
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


def _stretch(values: np.ndarray) -> np.ndarray:
    """(H, W) numbers of any range to 0 to 255; what is not finite is taken for the lowest."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return ((np.where(np.isfinite(values), values, low) - low) * (255 / (high - low or 1))).astype(np.uint8)


def _flatten(image: Image.Image) -> Image.Image:
    """On white; on black what would be invisible there, such as white chalk from a drawing program."""
    for paper in ("white", "black"):
        flat = Image.new("RGBA", image.size, paper)
        flat.alpha_composite(image)
        flat = flat.convert("L")
        if np.ptp(np.asarray(flat)) > 8:
            break
    return flat


def _is_light_on_dark(grey: np.ndarray) -> bool:
    """Ink is what deviates from the paper around: the sign of the deviation's third moment."""
    small = np.asarray(_resize(grey, 32), dtype=np.float32)  # on 64 pixels it says the same, ten times slower
    paper = ndimage.median_filter(small, size=max(small.shape) // 2 + 1, mode="nearest")
    return float(((small - paper) ** 3).sum()) > 0


def _strength(level: np.ndarray) -> tuple[np.ndarray, float]:
    """How much darker than the paper around, as a share of it; and the standard deviation of that on bare paper."""
    side = max(level.shape)
    smooth = ndimage.gaussian_filter(level, side / 1000) if side > 100 else level
    window = int(0.4 * side) | 1  # wider than any stroke
    paper = ndimage.grey_closing(smooth, size=(window, window), mode="nearest")
    strength = 1 - smooth / np.maximum(paper, 1)
    strength -= np.quantile(strength, 0.25)  # the brightest paper around is brighter than most; ink may fill half
    apart = 1 + side // 200  # of pixels that differ by noise alone, but for the edges of strokes
    difference = np.median(abs(strength - np.roll(strength, apart, axis=0)))
    noise = 1.48 / 2**0.5 * float(difference)  # as of a normal distribution
    return np.clip(strength, 0, 1).astype(np.float32), noise


def _character(strength: np.ndarray, noise: float) -> np.ndarray:
    """The strength of the character's ink alone."""
    mask = _without_ruling(strength > max(6 * noise, 0.05))
    rough, n = ndimage.label(mask, TOUCHING)
    if n == 0:
        return np.zeros_like(strength)
    # At first each piece is cut at its own level of ink, so that a black table edge does not hide a pencil, and then
    # all at the character's level.
    levels = np.append(np.inf, _level(strength, rough, n))
    pieces, n = ndimage.label(strength > SAME_INK * levels[rough], TOUCHING)
    level = _level(strength, pieces, n)[_main(pieces, n, strength)]
    pieces, n = _join(mask & (strength > SAME_INK * level))
    chosen = _choose(pieces, n, strength)
    fringe = ndimage.binary_dilation(chosen, TOUCHING) & (chosen | (pieces == 0))
    return np.where(fringe, np.clip((strength / level - 0.2) / 0.6, 0, 1), 0).astype(np.float32)


def _without_ruling(mask: np.ndarray) -> np.ndarray:
    """Without thin straight lines from edge to edge, level or upright within 3 degrees, but for what crosses them."""
    pieces, _ = ndimage.label(mask, TOUCHING)
    extents = [
        (slices[axis].stop - slices[axis].start) / mask.shape[axis]
        for slices in ndimage.find_objects(pieces)
        for axis in (0, 1)
    ]
    if max(extents, default=0) < 0.85:
        return mask
    thin = max(mask.shape) // 65  # pixels; 0 for the smallest pictures, where a line cannot be told from a stroke
    kept = mask.copy()
    for across in (kept, kept.T):  # views, level lines first: without them upright ones are thin at the crossings, too
        height, width = across.shape
        columns = np.arange(width)
        tolerant = ndimage.maximum_filter1d(across, 3, axis=0)
        line = np.zeros_like(across)
        for slope in np.linspace(-0.05, 0.05, 21):
            rows = np.arange(height)[:, None] + np.round(slope * (columns - width / 2)).astype(int)
            rows = np.clip(rows, 0, height - 1)
            rows = rows[tolerant[rows, columns].mean(axis=1) > 0.85]
            line[rows, columns] = True
        line = ndimage.maximum_filter1d(line, 3, axis=0)
        across &= ~line | ndimage.binary_opening(across, np.ones((thin + 1, 1)))
    return kept if kept.any() else mask


def _level(strength: np.ndarray, pieces: np.ndarray, n: int) -> np.ndarray:
    """Each piece's level of strong ink: fourth over third powers, so that a wide weak part counts for little."""
    index = np.arange(1, n + 1)
    return ndimage.sum(strength**4, pieces, index) / ndimage.sum(strength**3, pieces, index)


def _join(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Pieces of ink, labelled from 1 to n; those only a small gap apart are one."""
    pieces, n = ndimage.label(_distance(~mask) <= GAP * max(mask.shape) / 2, TOUCHING)
    return np.where(mask, pieces, 0), n


def _main(pieces: np.ndarray, n: int, strength: np.ndarray) -> int:
    """Index from 0 of the piece with most ink, strong rather than wide, away from the picture's edges."""
    height, width = pieces.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    central = 1 - np.maximum(abs(y), abs(x)) ** 4
    ink = strength**3
    index = np.arange(1, n + 1)
    score = ndimage.sum(ink * central, pieces, index) * (1 - _contact(pieces, n)) ** 2
    return int(np.argmax(score if score.max() > 0 else ndimage.sum(ink, pieces, index)))


def _contact(pieces: np.ndarray, n: int) -> np.ndarray:
    """How much of each piece's length lies on the picture's edge, 0 to 1."""
    size = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in ndimage.find_objects(pieces)]
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    return np.minimum(1, np.bincount(edge, minlength=n + 1)[1:] / size)


def _choose(pieces: np.ndarray, n: int, strength: np.ndarray) -> np.ndarray:
    """The mask of the character: the main piece and those near, except specks and what enters from outside."""
    index = np.arange(1, n + 1)
    main = _main(pieces, n, strength)
    mass = ndimage.sum(strength, pieces, index)
    contact = _contact(pieces, n)
    candidates = (mass > 0.02 * mass[main]) & ((contact == 0) | (contact[main] > 0))
    reach = np.minimum(0.75, 0.25 + 1.5 * mass / mass[main])  # a stroke may stand farther off than a crumb
    chosen = np.zeros(n + 1, dtype=bool)
    chosen[main + 1] = True
    ink = pieces > 0
    while True:
        mask = chosen[pieces]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        extent = max(np.ptp(rows), np.ptp(columns))
        distance = np.full(n + 1, np.inf)
        np.minimum.at(distance, pieces[ink], _distance(~mask)[ink])
        more = candidates & (distance[1:] <= reach * extent) & ~chosen[1:]
        if not more.any():
            return mask
        chosen[1:] |= more


def _resize(picture: np.ndarray, side: int) -> Image.Image:
    """With its longer side `side`; averaged where smaller, interpolated where larger."""
    height, width = picture.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def _fit(ink: np.ndarray, side: int) -> np.ndarray:
    return np.clip(np.asarray(_resize(ink.astype(np.float32), side)), 0, 1)


def _stroke_width(ink: np.ndarray) -> float:
    """Twice the median distance from the strokes' middle lines to their edges, in pixels."""
    mask = np.pad(ink > ink.max() / 2, 1)
    return 2 * float(np.median(_distance(mask)[skeletonize(mask)]))


def _distance(mask: np.ndarray) -> np.ndarray:
    """Of each pixel of the mask to the nearest one outside it; 0 outside."""
    return np.asarray(ndimage.distance_transform_edt(mask))


def _thicken(ink: np.ndarray, radius: float) -> np.ndarray:
    """Strokes wider by `radius` pixels on either side, with anti-aliased edges."""
    margin = int(radius) + 2
    outside = _distance(~np.pad(ink > ink.max() / 2, margin))
    return np.clip(radius + 1 - outside, 0, 1).astype(np.float32)


def _centre(fine: np.ndarray) -> np.ndarray:
    """Averaged to 28x28 pixels, the centre of mass in MNIST's place, as nearly as whole pixels and the frame allow."""
    side = IMAGE_SIZE * FINE
    canvas = np.zeros((side, side), dtype=np.float64)
    corner = []
    middle = np.asarray(ndimage.center_of_mass(fine)).tolist()
    for centre, length in zip(middle, fine.shape, strict=True):
        start = round((MASS_CENTRE * FINE - centre - 0.5) / FINE) * FINE
        corner.append(min(max(start, 0), side - length))
    top, left = corner
    canvas[top : top + fine.shape[0], left : left + fine.shape[1]] = fine
    mean = canvas.reshape(IMAGE_SIZE, FINE, IMAGE_SIZE, FINE).mean(axis=(1, 3))
    return np.round(255 * mean).astype(np.uint8)
