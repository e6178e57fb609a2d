"""A digit in many pens, and as many cameras take it."""

import io

import numpy as np
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

from benchmarks.papers.drawing import (
    any_of,
    camera,
    depth,
    grain,
    kind,
    lines,
    over,
    paper,
    pen,
    sheet,
    soft,
    thinned,
    written,
)

PAPERS = (250, 240, 150), (250, 205, 215), (195, 225, 250), (205, 240, 195), (240, 235, 225)
PENS = (30, 40, 150), (180, 30, 40), (20, 110, 60), (110, 40, 130), (30, 30, 35)
BOARDS = (38, 62, 50), (45, 48, 52)


@kind("tiny", sizes=(20, 20), fine=False, fill=(0.36, 0.7), least=28, blur=0.3)
@kind("very small", sizes=(45, 55), fill=(0.06, 0.09))
@kind("up to the margins", sizes=(150, 400), fill=(0.92, 0.97))
@kind("plain")
def plain(
    ink: np.ndarray, random: Generator, fill: tuple[float, float] = (0.3, 0.7), least: int = 200, blur: float = 0.7
) -> np.ndarray:
    return camera(written(ink, random, fill, least=least)[1], random, blur=blur)


@kind("light on dark")
def light_on_dark(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    return camera(pen(paper(at.shape, random, any_of(random, 15, 60)), at.ink, random, (190, 250)), random)


@kind("low contrast")
def low_contrast(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    grey = any_of(random, 110, 160)
    return camera(over(paper(at.shape, random, grey), at.ink, grey + any_of(random, 25, 45)), random)


@kind("coloured")
def coloured(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    level = paper(at.shape, random, PAPERS[random.integers(len(PAPERS))])
    return camera(over(level, at.ink, PENS[random.integers(len(PENS))]), random)


@kind("faint pencil")
def pencil(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    pores = np.clip(0.75 + 0.35 * grain(at.shape, random, 1), 0, 1)
    return camera(pen(paper(at.shape, random), at.ink * pores, random, (145, 170)), random)


@kind("chalk on a blackboard")
def chalk(ink: np.ndarray, random: Generator) -> np.ndarray:
    at = sheet(ink, random)
    smears = np.clip(0.08 + 0.05 * grain(at.shape, random, (at.size / 20, at.size / 3)), 0, 1)
    board = over(paper(at.shape, random, BOARDS[random.integers(len(BOARDS))]), smears, 210)
    pores = np.clip(0.7 + 0.5 * grain(at.shape, random, 1.2), 0, 1)
    return camera(over(board, at.ink * pores, (235, 235, 225)), random)


@kind("thick marker", fine=False)
def marker(ink: np.ndarray, random: Generator) -> np.ndarray:
    wider = max(ink.shape) * any_of(random, 0.02, 0.05)
    return plain(soft(depth(np.pad(ink, round(wider) + 2)) + wider), random)


@kind("thin pen", sizes=(120, 300), fine=False)
def thin_pen(ink: np.ndarray, random: Generator) -> np.ndarray:
    return plain(thinned(ink, max(ink.shape) * any_of(random, 0.012, 0.02)), random)


@kind("dry pen", sizes=(120, 300), fine=False)
def dry_pen(ink: np.ndarray, random: Generator) -> np.ndarray:
    size = max(ink.shape)
    streaks = grain((2 * size, 2 * size), random, (size / 160, size / 25))
    streaks = ndimage.rotate(streaks, any_of(random, 0, 180), reshape=False, order=1)[size // 2 :, size // 2 :]
    return plain(ink * soft(streaks[: ink.shape[0], : ink.shape[1]] + any_of(random, 0.5, 0.9), 3), random)


@kind("outlined", fine=False)
def outlined(ink: np.ndarray, random: Generator) -> np.ndarray:
    width = max(2.0, max(ink.shape) * any_of(random, 0.02, 0.035))
    return plain(soft(width / 2 - abs(depth(np.pad(ink, round(width) + 2)))), random)


@kind("rotated")
def rotated(ink: np.ndarray, random: Generator) -> np.ndarray:
    return plain(np.clip(ndimage.rotate(ink, any_of(random, -15, 15), order=1), 0, 1), random)


@kind("from the side")
def from_the_side(ink: np.ndarray, random: Generator) -> np.ndarray:
    height, width = ink.shape
    ink = np.pad(ink, ((height // 4,) * 2, (width // 4,) * 2))
    down, right = ink.shape
    corners = np.array([(0, 0), (0, down), (right, down), (right, 0)])
    places = (corners + random.uniform(-0.18, 0.18, (4, 2)) * (width, height)).ravel().tolist()
    seen = Image.fromarray(ink).transform((right, down), Image.Transform.QUAD, places, Image.Resampling.BILINEAR)
    return plain(np.asarray(seen), random)


# --- the camera


@kind("noise")
def noisy(ink: np.ndarray, random: Generator) -> np.ndarray:
    return camera(written(ink, random)[1], random, noise=any_of(random, 15, 30), blur=0.3)


@kind("salt and pepper")
def salted(ink: np.ndarray, random: Generator) -> np.ndarray:
    picture = plain(ink, random)
    hit = random.random(picture.shape) < any_of(random, 0.03, 0.1)
    return np.where(hit, np.where(random.random(picture.shape) < 0.5, 0, 255), picture).astype(np.uint8)


@kind("out of focus")
def unfocused(ink: np.ndarray, random: Generator) -> np.ndarray:
    at, level = written(ink, random)
    return camera(level, random, blur=at.size * any_of(random, 0.02, 0.04))


@kind("blurred by motion")
def moved(ink: np.ndarray, random: Generator) -> np.ndarray:
    at, level = written(ink, random)
    reach = round(at.size * any_of(random, 0.04, 0.1)) | 1
    path = lines((reach, reach), any_of(random, 0, 180), 4 * reach, 1)
    return camera(ndimage.convolve(level, path / path.sum()), random)


@kind("over-exposed")
def over_exposed(ink: np.ndarray, random: Generator) -> np.ndarray:
    at, level = written(ink, random)
    return camera(level * any_of(random, 1.2, 1.4) + 30, random, blur=max(0.7, at.size / 80))


@kind("JPEG of quality 5")
def squeezed(ink: np.ndarray, random: Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(plain(ink, random)).save(file, "JPEG", quality=5)
    return np.asarray(Image.open(file))
