"""Letters drawn stroke by stroke, each by a hand that chance makes up: nobody's pictures, and as many as are wanted.

The same bytes on every processor: sums, products, quotients and square roots alone, which are rounded alike everywhere,
then the corners of a grid, and Pillow's drawing between these.
"""

import math
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from recognition.greek.forms import FORMS

Point = tuple[float, float]  # x, y; in hundredths of a small letter's height, but for `write`'s last step
SIDE = 96  # pixels, of a picture
SIZE = 66  # pixels, the longer side of a letter in it, without its pen's width
FINE = 4  # steps of the grid a pixel
STEP = 2  # hundredths of a small letter's height, about, from one point of a line to the next
KNOT = 15  # points of a line after which what drifts turns


def write(letter: str, hand: int) -> np.ndarray:
    """The letter as the hand of this number writes it: (SIDE, SIDE) uint8, black on white."""
    style, chance = Random(f"hand {hand}"), Random(f"hand {hand}, {letter}")  # of all its letters; of this one
    shape = shaping(style, chance)
    return draw([[shape(point) for point in line] for line in lines(letter, chance)], style, chance)


def spread(random: Random) -> float:
    """From -1 to 1, the middle likelier than the ends. `random()` alone gives the same in every version of Python."""
    return random.random() + random.random() - 1


def lines(letter: str, random: Random) -> list[list[Point]]:
    """The middle lines of the strokes of one of the letter's forms, each point near the next."""
    form = FORMS[letter][int(len(FORMS[letter]) * random.random())]
    loose, straight = 8 * random.random(), random.random() * random.random() * random.random()
    found = []
    for stroke in form:
        line: list[Point] = []
        pieces = stroke.split(" / ")
        for k, piece in enumerate(pieces):
            given = [[float(number) for number in point.split(",")] for point in piece.split()]
            points = line[-1:] + [(x + loose * spread(random), y + loose * spread(random)) for x, y in given]
            if k == 0:
                end(points, 0, 1, random)
            if k == len(pieces) - 1:
                end(points, -1, -2, random)
            line += curve(points, straight)[len(line[-1:]) :]
        found.append(wobbling(line, 2.5 * random.random(), random))
    return found


def end(points: list[Point], last: int, before: int, random: Random) -> None:
    """Move the end of a stroke out or in, or give it a hook; mostly neither. `last` and `before` are indices."""
    if random.random() < 0.6:
        return
    (x, y), (x0, y0) = points[last], points[before]
    length = max(distance(points[last], points[before]), 1.0)
    on, aside = (x - x0) / length, (y - y0) / length
    far, off = 10 * spread(random), 0.0
    if random.random() < 0.4:
        far, off = 5 + 8 * random.random(), 12 * spread(random)
        points.insert(1 if last == 0 else len(points) - 1, points[last])
    points[last] = x + on * far - aside * off, y + aside * far + on * off


def curve(points: list[Point], straight: float) -> list[Point]:
    """A line through the points, from a centripetal Catmull-Rom spline where `straight` is 0 to chords where it is 1.

    E. Catmull and R. Rom, "A class of local interpolating splines", 1974, by the pyramid of P. Barry and R. Goldman,
    1988. Centripetal ones have no cusps: C. Yuksel et al., "Parameterization and applications of Catmull-Rom curves",
    2011.
    """
    before, after = mix(points[0], points[1], 0, 1, -1), mix(points[-1], points[-2], 0, 1, -1)
    there = [before, *points, after]
    found = [points[0]]
    for a, b, c, d in zip(there, there[1:], there[2:], there[3:], strict=False):
        t1 = knot(a, b)
        t2 = t1 + knot(b, c)
        t3 = t2 + knot(c, d)
        steps = 2 + int(distance(b, c) / STEP)
        for step in range(1, steps + 1):
            t = t1 + (t2 - t1) * step / steps
            ab, bc, cd = mix(a, b, 0, t1, t), mix(b, c, t1, t2, t), mix(c, d, t2, t3, t)
            spline = mix(mix(ab, bc, 0, t2, t), mix(bc, cd, t1, t3, t), t1, t2, t)
            found.append(mix(spline, bc, 0, 1, straight))
    return found


def knot(a: Point, b: Point) -> float:
    return math.sqrt(max(distance(a, b), 1e-3))


def distance(a: Point, b: Point) -> float:
    x, y = a[0] - b[0], a[1] - b[1]
    return math.sqrt(x * x + y * y)


def mix(a: Point, b: Point, start: float, end: float, t: float) -> Point:
    """The point at `t` of the straight line that is at `a` at `start` and at `b` at `end`."""
    share = (t - start) / (end - start)
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def drift(n: int, random: Random) -> list[float]:
    """A slow course of n values between -1 and 1."""
    turns = [spread(random) for _ in range(2 + n // KNOT)]
    course = []
    for k in range(n):
        turn, rest = divmod(k * (len(turns) - 1), n)
        course.append(turns[turn] + (turns[turn + 1] - turns[turn]) * rest / n)
    return course


def wobbling(line: list[Point], far: float, random: Random) -> list[Point]:
    across, down = drift(len(line), random), drift(len(line), random)
    return [(x + far * dx, y + far * dy) for (x, y), dx, dy in zip(line, across, down, strict=True)]


def shaping(style: Random, chance: Random) -> Callable[[Point], Point]:
    """The proportions, the slant and the bends that a hand gives to a letter, as a map of its points."""
    above, below = 0.45 + 0.75 * style.random(), 0.45 + 0.75 * style.random()  # lengths of what leaves the line
    slant = 0.1 + 0.3 * spread(style) + 0.1 * spread(chance)
    wide = 1 + 0.35 * spread(style) + 0.35 * spread(chance)
    tilt = 0.1 * spread(style) + 0.1 * spread(chance)
    a, b, c, d, e, f = (0.22 * spread(chance) for _ in range(6))

    def shape(point: Point) -> Point:
        x, y = point
        y = y * above if y < 0 else 100 + (y - 100) * below if y > 100 else y
        u, v = x / 50 - 1, y / 50 - 1
        u, v = u + a * u * u + b * u * v + c * v * v, v + d * u * u + e * u * v + f * v * v
        u = wide * u - slant * v
        return 50 * (u - tilt * v), 50 * (v + tilt * u)

    return shape


def draw(lines: list[list[Point]], style: Random, chance: Random) -> np.ndarray:
    """The lines in the middle of a page, by a pen whose width, nib and pressure are by chance."""
    xs, ys = ([point[axis] for line in lines for point in line] for axis in (0, 1))
    scale = SIZE * FINE / max(max(xs) - min(xs), max(ys) - min(ys))
    left, top = ((SIDE * FINE - scale * (min(places) + max(places))) / 2 for places in (xs, ys))
    thick = style.random()
    width = min(scale * (8 + 18 * thick * thick + 4 * chance.random()), SIZE * FINE / 4)
    nib, uneven = 0.6 + 0.4 * style.random(), 0.35 * style.random()
    page = Image.new("L", (SIDE * FINE, SIDE * FINE), 255)
    pen = ImageDraw.Draw(page)
    for line in lines:
        for (x, y), pressure in zip(line, drift(len(line), chance), strict=True):
            radius = width / 2 * (1 + uneven * pressure)
            x, y, across, down = round(left + scale * x), round(top + scale * y), round(radius), round(radius * nib)
            pen.ellipse((x - across, y - down, x + across, y + down), fill=0)
    return np.asarray(page.reduce(FINE))
