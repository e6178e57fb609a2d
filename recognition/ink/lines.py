"""Which characters are a line, and in which order they are read. No torch.

Lines may slant and bend, and have gaps; small signs, such as a minus or a dot, stand anywhere between their top and
bottom. Rows of several columns that are level with each other are one line; where none is, and no heading crosses
their gap, columns are read one after the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LOW, TALL = 0.5, 2  # of a typical character's height; what is lower, or higher, tells little of where its line runs
OFF = 0.6  # of a character's height; what stands farther above or below its line's course is of another line
STEEPEST = 0.6  # of a line, rise over run
GUTTER = 1.5  # typical heights between two columns
COURSE = 3  # of a line's last characters, which tell where it leads

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class Sign(NamedTuple):
    """Where a character stands on a page whose lines are level, pixels."""

    x: float  # of its middle
    y: float
    height: float
    telling: bool  # where its line runs: it is neither a small sign nor, perhaps, of two lines


def in_lines(boxes: Sequence[Box]) -> list[list[int]]:
    """Places in `boxes` of each line's characters: column by column, from top to bottom, from left to right.

    Each character goes, from the left to the right, to the line whose course is nearest, or else begins one.
    """
    if not boxes:
        return []
    left, top, right, bottom = np.array(boxes, dtype=float).T
    x, y, height = (left + right) / 2, (top + bottom) / 2, bottom - top
    usual = typical(height)
    telling = (height >= LOW * usual) & (height <= TALL * usual)
    y = y - x * _slope(x[telling], y[telling], usual)
    signs = [Sign(*row) for row in zip(x.tolist(), y.tolist(), height.tolist(), telling.tolist(), strict=True)]
    lines: list[list[int]] = []
    for i in np.argsort(x, kind="stable").tolist():
        off = [_off(signs[i], [signs[j] for j in line], usual) for line in lines]
        if off and min(off) < OFF:
            lines[off.index(min(off))].append(i)
        else:
            lines.append([i])
    columns = _columns([(float(left[line].min()), float(right[line].max())) for line in lines], GUTTER * usual)
    order = sorted(range(len(lines)), key=lambda n: (columns[n], float(np.median(y[lines[n]]))))
    return [lines[n] for n in order]


def _columns(spans: Sequence[tuple[float, float]], gutter: float) -> list[int]:
    """The column of each line, by where it begins and ends: all 0 unless each column has several lines.

    Where rows of two columns are level with each other they are one line, and so there is one column.
    """
    order = sorted(range(len(spans)), key=spans.__getitem__)
    begins, ends = np.array([spans[n] for n in order]).T
    apart = begins[1:] > np.maximum.accumulate(ends)[:-1] + gutter
    found = np.zeros(len(spans), int)
    found[order] = np.append(0, np.cumsum(apart))
    return (found * (np.bincount(found).min() > 1)).tolist()


def typical(heights: Sequence[float] | np.ndarray) -> float:
    """The height of a typical character: half of all heights together are of lower ones."""
    ordered = np.sort(heights)
    share = np.cumsum(ordered)
    return float(ordered[np.searchsorted(share, share[-1] / 2)])


def _slope(x: np.ndarray, y: np.ndarray, usual: float) -> float:
    """Of the page's lines, rise over run: the median, from each character to the nearest that may follow it."""
    slopes = []
    for i in range(len(x)):
        run, rise = x - x[i], y - y[i]
        follows = (run > 0) & (abs(rise) < STEEPEST * run) & (abs(rise) < usual)
        if follows.any():
            nearest = np.argmin(np.where(follows, run * run + rise * rise, np.inf))
            slopes.append(rise[nearest] / run[nearest])
    return float(np.median(slopes)) if slopes else 0.0


def _off(sign: Sign, line: list[Sign], usual: float) -> float:
    """How far a character stands above or below a line's course, level or as it last ran, in heights."""
    telling = [other for other in line[-COURSE:] if other.telling] or line[-1:]
    first, last = telling[0], telling[-1]
    scale = max((one.height for one in (last, sign) if one.telling), default=usual)
    slope = (last.y - first.y) / (last.x - first.x) if last.x > first.x else 0
    slope = min(max(slope, -STEEPEST), STEEPEST)
    return min(abs(sign.y - last.y), abs(sign.y - last.y - slope * (sign.x - last.x))) / scale
