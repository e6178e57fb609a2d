"""Letters drawn stroke by stroke: the forms, the pen's way, and what is found of it on the page."""

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from recognition.base import alphabet
from recognition.greek import hands
from recognition.greek.forms import FORMS
from recognition.ink.characters import find_characters
from recognition.ink.normalise import BOX_SIZE, FINE, _fit, _stroke_width, normalise
from recognition.ink.paper import strength
from recognition.training import datasets

HANDS = 4
DATA = Path(__file__).parent.parent / "data"
PAGES = "81b61aed6e714298b1b55dffbe6515b16481b8c46a322c5fc9743c423d076ad7"  # sha256 of `written`


class Even(Random):
    """Chance that decides for the middle."""

    def random(self) -> float:
        return 0.5


@pytest.fixture(scope="module")
def written() -> dict[tuple[str, int], np.ndarray]:
    """Each letter by HANDS hands of its own."""
    places = range(HANDS * len(alphabet.NAMES))
    return {(name, hand): hands.write(name, hand) for hand in places for name in [alphabet.NAMES[hand // HANDS]]}


def test_every_letter_has_several_forms_and_each_is_a_pens_way():
    assert list(FORMS) == alphabet.NAMES
    for forms in FORMS.values():
        assert len(forms) == len(set(forms)) >= 4
        for stroke in (stroke for form in forms for stroke in form):
            pieces = [[tuple(map(int, point.split(","))) for point in piece.split()] for piece in stroke.split(" / ")]
            points = [point for piece in pieces for point in piece]
            assert len(pieces[0]) >= 2 and all(pieces) and all(a != b for a, b in pairwise(points))
            assert all(-20 <= x <= 150 and -80 <= y <= 170 for x, y in points)


def test_a_form_fills_the_height_of_a_small_letter():
    for letter, forms in FORMS.items():
        for form in forms:
            heights = [int(point.split(",")[1]) for stroke in form for point in stroke.split() if point != "/"]
            assert min(heights) <= 12 and max(heights) >= 86, letter


@pytest.mark.parametrize("straight", [0.0, 0.4, 1.0])
def test_a_line_leads_through_its_points(straight):
    points = [(0.0, 0.0), (10.0, 40.0), (80.0, 50.0), (80.0, 50.0), (20.0, 90.0)]
    line = hands.curve(points, straight)
    for x, y in points:
        assert min(math.hypot(x - u, y - v) for u, v in line) < 1e-6
    assert line[0] == points[0] and line[-1] == pytest.approx(points[-1])
    assert max(hands.distance(a, b) for a, b in pairwise(line)) < 2 * hands.STEP


def test_a_line_of_equal_steps_is_catmull_and_roms():
    """Where the points are as far apart, their tangent is half of what lies between their neighbours."""
    points = [(0.0, 0.0), (30.0, 40.0), (80.0, 40.0), (110.0, 80.0)]
    (x0, _), (x1, _), (x2, _), (x3, _) = points
    line = hands.curve(points, 0.0)
    steps = 2 + int(50 / hands.STEP)
    for step in range(steps + 1):
        t = step / steps
        cubic = -x0 + 3 * x1 - 3 * x2 + x3, 2 * x0 - 5 * x1 + 4 * x2 - x3, x2 - x0, 2 * x1
        x = ((cubic[0] * t + cubic[1]) * t + cubic[2]) * t + cubic[3]
        assert line[steps + step][0] == pytest.approx(x / 2)


def test_straight_lines_are_chords():
    line = hands.curve([(0.0, 0.0), (50.0, 0.0), (50.0, 80.0)], 1.0)
    assert all(abs(y) < 1e-9 or abs(x - 50) < 1e-9 for x, y in line)


def test_what_drifts_stays_small_and_turns_slowly():
    for n in (1, 2, 15, 400):
        course = hands.drift(n, Random("drift"))
        assert len(course) == n and max(map(abs, course)) <= 1
        assert all(abs(a - b) <= 2 * (1 + n // hands.KNOT) / n for a, b in pairwise(course))


def test_a_bar_is_as_long_and_as_wide_as_its_pen():
    page = hands.draw([[(float(x), 0.0) for x in range(101)]], Even(), Even())
    width = hands.SIZE / 100 * (8 + 18 / 4 + 4 / 2)
    assert (255 - page.astype(float)).sum(axis=0).max() / 255 == pytest.approx(0.8 * width, abs=0.5)
    assert (255 - page.astype(float)).sum(axis=1).max() / 255 == pytest.approx(hands.SIZE + width, abs=0.6)


def test_the_same_bytes_everywhere(written):
    assert hashlib.sha256(b"".join(page.tobytes() for page in written.values())).hexdigest() == PAGES
    assert np.array_equal(hands.write("omega", 95), written["omega", 95])


def test_no_two_hands_write_alike(written):
    for letter in alphabet.NAMES:
        assert len({page.tobytes() for (name, _), page in written.items() if name == letter}) == HANDS


def test_a_letter_lies_whole_on_its_page_and_is_found_whole(written):
    for page in written.values():
        assert page.shape == (hands.SIDE, hands.SIDE) and page.dtype == np.uint8
        assert page[:3].min() == page[-3:].min() == page[:, :3].min() == page[:, -3:].min() == 255
        one = find_characters(strength(page))[0]
        left, top, right, bottom = one.box
        missed = 1 - page / 255
        drawn = missed.sum()
        missed[top:bottom, left:right] -= one.ink
        assert np.abs(missed).sum() < 0.12 * drawn


def stroke_width(picture: np.ndarray) -> float:
    """In pixels, of a character of 20 pixels in (28, 28) uint8."""
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    return (
        _stroke_width(_fit(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 255, BOX_SIZE * FINE)) / FINE
    )


def test_strokes_are_as_wide_as_mnists(written):
    """Of MNIST's test digits, too, `normalise` widens the thin ones; the rest are about as wide."""
    digits = datasets.load("mnist", DATA / "mnist", train=False).pictures[:100].numpy()
    theirs, ours = (
        np.quantile([stroke_width(normalise(ink)) for ink in inks], [0.05, 0.5, 0.95])
        for inks in (digits / 255, (find_characters(strength(page))[0].ink for page in written.values()))
    )
    assert abs(ours - theirs).max() < 1.0
