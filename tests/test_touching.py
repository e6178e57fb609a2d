"""Where touching characters may be cut, by geometry, and which cuts are taken, by an oracle that tries all of them."""

import itertools

import numpy as np
import pytest
from test_handwriting import strokes

from recognition.ink.characters import Character
from recognition.ink.touching import MOST, Lattice, best, cost, divided, lattice, may_touch

HEIGHT, WIDTH = 100, 8
ANGLES = np.linspace(0, 2 * np.pi, 40)
RING = [(0.5 + np.cos(angle) / 2, 0.5 + np.sin(angle) / 2) for angle in ANGLES]


def cropped(ink: np.ndarray) -> np.ndarray:
    return ink[np.ix_(ink.any(axis=1), ink.any(axis=0))].astype(np.float32)


def rings(n: int, apart: float = HEIGHT - WIDTH) -> np.ndarray:
    """Ink of n rings in a row, HEIGHT high and wide each."""
    places = [(60 + i * apart, 60) for i in range(n)]
    drawn = [strokes(RING, width=WIDTH, side=60 + 100 * n, height=HEIGHT - WIDTH, at=at) for at in places]
    return cropped(np.max(drawn, axis=0))


def piece(ink: np.ndarray) -> Character:
    return Character(0, 0, ink, 1.0)


def extent(part: Character) -> tuple[int, int]:
    return part.left, part.left + part.ink.shape[1]


def in_place(part: Character, shape: tuple[int, ...]) -> np.ndarray:
    ink = np.zeros(shape)
    left, top, right, bottom = part.box
    ink[top:bottom, left:right] = part.ink
    return ink


@pytest.mark.parametrize("overlap", [0, 4])
@pytest.mark.parametrize("n", [2, 3])
def test_what_touches_may_be_cut_where_it_does(n, overlap):
    apart = HEIGHT - WIDTH - overlap
    found = lattice(piece(rings(n, apart)), HEIGHT)
    for i in range(n):
        wanted = i * apart, i * apart + HEIGHT
        assert any(np.allclose(extent(part), wanted, atol=WIDTH) for part in found.parts.values())


def test_slices_hold_all_the_ink_between_them():
    ink = rings(2)
    found = lattice(piece(ink), HEIGHT)
    halves = [
        [in_place(found.parts[run], ink.shape) for run in ((0, cut), (cut, found.last))]
        for cut in range(1, found.last)
        if (0, cut) in found.parts and (cut, found.last) in found.parts
    ]
    assert halves
    for left, right in halves:
        assert not (left * right).any()
        assert (left + right).sum() > 0.97 * ink.sum()


def test_a_wider_character_is_dearer_and_so_is_a_cut_elsewhere_than_where_two_touch():
    found = lattice(piece(rings(2)), HEIGHT)
    assert found.costs[0, found.last] == cost(found.parts[0, found.last].ink.shape[1] / HEIGHT) > cost(1) == cost(0.5)
    crossings = {
        extent(part)[1]: found.costs[0, cut] - cost(np.ptp(extent(part)) / HEIGHT)
        for (left, cut), part in found.parts.items()
        if left == 0 and cut < found.last
    }
    assert min(crossings, key=crossings.__getitem__) == pytest.approx(HEIGHT - WIDTH / 2, abs=WIDTH)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_so_many_as_are_known_to_touch_are_cut_apart(n):
    ink = rings(n)
    found = divided(piece(ink), n, HEIGHT)
    wanted = [(i * (HEIGHT - WIDTH), i * (HEIGHT - WIDTH) + HEIGHT) for i in range(n)]
    np.testing.assert_allclose([extent(part) for part in found], wanted, atol=WIDTH)
    assert sum(in_place(part, ink.shape) for part in found).sum() > 0.97 * ink.sum()


def test_what_has_no_place_to_be_cut_stays_whole():
    whole = piece(np.ones((HEIGHT, 3), np.float32))
    assert divided(whole, 2, HEIGHT) == [whole] and divided(whole, 1, HEIGHT) == [whole]


def test_what_is_very_long_is_cut_at_so_many_places_and_no_more():
    dash = cropped(strokes([(0, 0.5), (1, 0.5)], width=WIDTH, height=250))
    assert lattice(piece(np.tile(dash, (1, 8))), HEIGHT).last == MOST + 1


def test_the_best_way_is_that_of_all_ways():
    random = np.random.default_rng(0)
    for last in range(1, 8):
        runs = [(i, j) for i in range(last) for j in range(i + 1, last + 1)]
        kept = [run for run in runs if random.random() < 0.8 or run == (0, last)]
        worth = {run: -float(random.exponential()) for run in kept}
        parts = dict.fromkeys(kept, piece(np.ones((1, 1), np.float32)))
        drawn = Lattice(last, parts, {run: float(random.random()) for run in kept})
        ways = [
            [*itertools.pairwise((0, *inner, last))]
            for n in range(last)
            for inner in itertools.combinations(range(1, last), n)
        ]
        ways = [way for way in ways if all(run in worth for run in way)]
        assert best(drawn, worth) == max(ways, key=lambda way: sum(worth[run] - drawn.costs[run] for run in way))


@pytest.mark.parametrize("n", [1, 2])
def test_what_cannot_be_better_read_in_parts_is_told_beforehand(n):
    ink = rings(n)
    found = lattice(piece(ink), HEIGHT)
    for whole in -np.linspace(0, 2, 21):
        worth = dict.fromkeys(found.parts, 0.0) | {(0, found.last): float(whole)}
        if not may_touch(ink.shape[1] / HEIGHT, float(whole)):
            assert best(found, worth) == [(0, found.last)]
    assert may_touch(1, -2) and not may_touch(1, -0.1) and not may_touch(0.5, -2)
