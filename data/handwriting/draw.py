"""Draw the project's own ten digits, digits/0.png to 9.png: `python data/handwriting/draw.py [FOLDER]`.

Pen strokes on paper: cubic Bezier curves with a wobble of the hand, a pressure that comes and goes, a slight slant,
uneven light and the grain of the paper. The same bytes every time: every draw is an integer from a seed, every other
step a sum, a product, a quotient or a square root, which are rounded alike everywhere.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 400  # pixels
SLANT = 0.14  # to the right, per height

# Strokes in a box of 100x140, x to the right and y down: a first point, then three control points per Bezier curve.
DIGITS = {
    "0": ["56,6 20,2 6,48 10,82 14,124 38,142 62,132 92,118 98,60 84,26 76,8 62,2 48,10"],
    "1": ["30,34 40,28 48,18 55,4 54,40 52,92 50,137"],
    "2": ["14,36 18,6 60,-6 78,20 94,48 48,96 12,130 34,122 52,134 92,126"],
    "3": ["18,18 36,-2 80,2 76,32 72,54 50,60 36,62 66,60 92,78 82,108 70,142 26,140 10,118"],
    "4": ["46,6 38,38 24,66 10,88 36,90 64,88 94,84", "70,46 69,76 66,106 64,138"],
    "5": ["30,10 28,28 25,44 22,62 44,48 84,58 84,92 84,132 34,144 10,122", "28,11 48,12 66,10 88,7"],
    "6": ["70,6 38,20 10,64 12,100 14,140 70,146 80,110 86,72 34,64 16,98"],
    "7": ["10,14 36,18 62,14 88,10 68,48 46,92 38,138", "28,74 44,76 58,74 74,70"],
    "8": ["76,22 62,-4 20,0 22,30 24,62 84,74 82,108 80,146 16,146 16,110 16,74 82,58 78,24"],
    "9": ["82,28 66,-6 14,2 14,40 14,76 70,74 82,30 82,70 78,104 66,138"],
}


def bezier(stroke: str) -> np.ndarray:
    """The points of a stroke, (N, 2), close to each other."""
    points = np.array([point.split(",") for point in stroke.split()], dtype=float)
    t = np.arange(120)[:, None] / 120
    curves = []
    for a, b, c, d in zip(points[:-1:3], points[1::3], points[2::3], points[3::3], strict=True):
        s = 1 - t
        curves.append(a * s * s * s + b * (3 * s * s * t) + c * (3 * s * t * t) + d * (t * t * t))
    return np.concatenate([*curves, points[-1:]])


def drift(random: np.random.Generator, n: int, knots: int) -> np.ndarray:
    """A slow random course of n values, most within -1 and 1."""
    return np.interp(np.arange(n) / n * (knots - 1), np.arange(knots), random.integers(-100, 101, knots) / 100)


def ink(digit: str, random: np.random.Generator) -> np.ndarray:
    """Share of the paper that ink covers, (SIDE, SIDE), 0 to 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    left, top = random.integers(110, 150), random.integers(70, 110)
    scale = random.integers(150, 180) / 100
    covered = np.zeros((SIDE, SIDE))
    for stroke in DIGITS[digit]:
        points = bezier(stroke)
        n = len(points)
        points = points + 1.4 * np.stack([drift(random, n, 9), drift(random, n, 9)], axis=1)
        points[:, 0] += SLANT * (70 - points[:, 1])
        points = points * scale + (left, top)
        pressure = 0.8 + 0.2 * drift(random, n, 7)
        pressure = pressure * np.minimum(1, 0.4 + np.minimum(np.arange(n), np.arange(n)[::-1]) / 30)
        for (px, py), press in zip(points, pressure, strict=True):
            rows, columns = (slice(max(int(p) - 9, 0), int(p) + 10) for p in (py, px))
            distance = np.sqrt((x[rows, columns] - px) ** 2 + (y[rows, columns] - py) ** 2)
            dot = np.clip(4.4 * press + 0.8 - distance, 0, 1) * (0.55 + 0.45 * press)
            covered[rows, columns] = np.maximum(covered[rows, columns], dot)
    return covered


def draw(digit: str) -> Image.Image:
    random = np.random.default_rng(1 + int(digit))
    covered = ink(digit, random)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    tilt = random.integers(-20, 21, 2)
    light = 205 + tilt[0] * (x - 0.5) + tilt[1] * (y - 0.5) - 40 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    grain = random.integers(-3, 4, (SIDE, SIDE))
    rough = random.integers(80, 101, (SIDE, SIDE)) / 100  # ink does not reach the bottom of every pore
    grey = light * (1 - 0.72 * covered * rough) + grain
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8) // 4 * 4)  # every fourth level: a smaller file


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    for digit in DIGITS:
        draw(digit).save(folder / f"{digit}.png", optimize=True)


if __name__ == "__main__":
    main()
