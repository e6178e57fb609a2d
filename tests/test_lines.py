"""Which boxes are a line, and their order, of pages whose order is known by construction."""

import itertools

import numpy as np
import pytest

from recognition.ink.lines import in_lines, typical

HEIGHT, WIDTH = 30, 20


def page(rows: int, columns: int, pitch: tuple[float, float] = (40, 50), of=lambda x, y: (x, y), drop=None) -> list:
    """Boxes in reading order, a list for each line; `of` moves their middles, `drop` says which are left out."""
    lines = []
    for row in range(rows):
        line = []
        for column in range(columns):
            if not (drop and drop(row, column)):
                x, y = of(column * pitch[0], row * pitch[1])
                line.append((x - WIDTH / 2, y - HEIGHT / 2, x + WIDTH / 2, y + HEIGHT / 2))
        lines.append(line)
    return lines


def assert_order(lines: list) -> None:
    """Whatever order the boxes come in."""
    boxes = [box for line in lines for box in line]
    boxes = [boxes[i] for i in np.random.default_rng(0).permutation(len(boxes))]
    assert [[boxes[i] for i in line] for line in in_lines(boxes)] == lines


SIZES = [(1, 1), (1, 12), (12, 1), (3, 3), (5, 8), (20, 20)]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_a_grid_is_read_row_by_row(rows, columns):
    assert_order(page(rows, columns))


@pytest.mark.parametrize("angle", [-15, -8, -3, 3, 8, 15])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_lines_may_slant(rows, columns, angle):
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert_order(page(rows, columns, of=lambda x, y: (x * cosine - y * sine, x * sine + y * cosine)))


@pytest.mark.parametrize("bend", [-0.3, -0.1, 0.1, 0.3])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_lines_may_bend(rows, columns, bend):
    """Parabolas; `bend` is their slope at both ends."""
    half = max(1, (columns - 1) * 40 / 2)
    assert_order(page(rows, columns, of=lambda x, y: (x, y + bend * (x - half) ** 2 / half / 2)))


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_characters_may_stand_unevenly(rows, columns):
    random = np.random.default_rng(1)
    assert_order(page(rows, columns, of=lambda x, y: np.add((x, y), HEIGHT * random.uniform(-0.2, 0.2, 2))))


def test_gaps_and_short_lines_change_no_line():
    assert_order(page(8, 10, drop=lambda row, column: column and (row * 7 + column * 3) % 4 == 0))
    assert_order(page(8, 10, drop=lambda row, column: column > row))
    assert_order(page(8, 10, drop=lambda row, column: column < row))


def test_columns_that_are_level_are_read_across():
    assert_order(page(6, 9, of=lambda x, y: (x + 200 * (x // 120), y)))


@pytest.mark.parametrize(("height", "below"), [(4, 0), (5, 12), (20, 5)])
def test_small_signs_belong_to_their_line(height, below):
    """A minus at half height, a dot on the line, a small letter; at a line's beginning, within and at its end."""
    lines = page(5, 6)
    for line, place in zip(lines, (0, 2, 3, 5, 0), strict=True):
        left, top, right, bottom = line[place]
        middle = (top + bottom) / 2 + below
        line[place] = (left, middle - height / 2, right, middle + height / 2)
    assert_order(lines)


def test_lines_of_other_sizes_stay_lines():
    def sized(line, factor, top):
        return [tuple(factor * end + (0, top)[i % 2] for i, end in enumerate(box)) for box in line]

    small, large = page(1, 6)[0], page(1, 6)[0]
    assert_order([sized(large, 3, 0), sized(small, 1, 100), sized(small, 1, 150), sized(large, 2, 220)])


@pytest.mark.parametrize("scale", [0.1, 7])
def test_moving_and_scaling_change_nothing(scale):
    random = np.random.default_rng(2)
    boxes = [box for line in page(5, 7, of=lambda x, y: np.add((x, y), random.normal(0, 12, 2))) for box in line]
    moved = [tuple(scale * end + (300, -70)[i % 2] for i, end in enumerate(box)) for box in boxes]
    assert in_lines(moved) == in_lines(boxes)


def test_every_character_is_in_one_line_whatever_there_is():
    random = np.random.default_rng(3)
    for n in (0, 1, 2, 50, 400):
        corners = random.integers(0, 1000, (n, 2))
        boxes = [
            (*map(int, corner), *map(int, corner + size))
            for corner, size in zip(corners, random.integers(1, 200, (n, 2)), strict=True)
        ]
        assert sorted(itertools.chain(*in_lines(boxes))) == list(range(n))


def test_a_typical_height_is_that_of_the_characters_and_not_of_dots():
    assert typical([30, 31, 32, 2, 2, 2, 2, 2]) == 31


@pytest.mark.parametrize("shift", [22, 25, 28])
@pytest.mark.parametrize("rows", [2, 5])
def test_columns_that_are_not_level_are_read_one_after_the_other(rows, shift):
    left = page(rows, 3)
    right = page(rows, 3, of=lambda x, y: (x + 250, y + shift))
    assert_order(left + right)


def test_rows_that_begin_farther_right_are_no_columns():
    """Each is a line of its own, and one alone is no column."""
    assert_order([[(0, 0, 20, 30)], [(200, 50, 220, 80)], [(400, 100, 420, 130)]])
    wide = page(3, 6)
    assert_order([wide[0], [(300, 50, 320, 80)], page(1, 6, of=lambda x, y: (x, y + 100))[0]])
