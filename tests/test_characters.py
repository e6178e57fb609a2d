"""Which ink is one character, whatever lies around it."""

import itertools
import time

import numpy as np
import pytest
from scipy import ndimage
from test_handwriting import FIVE, FOUR, XI, page, read, shifted_difference, strokes

from recognition.ink.characters import find_characters
from recognition.ink.geometry import distance, hull_area, on_edge
from recognition.ink.paper import _median, find_sheet, strength
from recognition.ink.ruling import without_ruling

BOX = [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]]
ZERO = [[(0.5, 0), (0.2, 0.2), (0.15, 0.5), (0.2, 0.8), (0.5, 1), (0.8, 0.8), (0.85, 0.5), (0.8, 0.2), (0.5, 0)]]
SIX = [[(0.6, 0), (0.3, 0.3), (0.2, 0.6), (0.3, 0.9), (0.6, 1), (0.75, 0.8), (0.7, 0.6), (0.5, 0.5), (0.25, 0.65)]]
OPEN_FOUR = [[(0.3, 0), (0.15, 0.55), (0.8, 0.55)], [(0.65, 0.2), (0.65, 1)]]
ALPHA = [[(0.7, 0.2), (0.4, 0.1), (0.2, 0.5), (0.4, 0.9), (0.7, 0.7), (0.7, 0.1), (0.7, 0.7), (0.9, 0.9)]]


def found(grey):
    return find_characters(strength(grey))


def sheet(*characters, side=600, width=8):
    """Ink of several: (lines, height, at) each."""
    return np.max([strokes(*lines, width=width, side=side, height=h, at=at) for lines, h, at in characters], axis=0)


def assert_box(character, at, lines, height, width=8):
    points = np.array([point for line in lines for point in line])
    low, high = ((points - 0.5) * height + at).min(axis=0) - width / 2, ((points - 0.5) * height + at).max(axis=0)
    np.testing.assert_allclose(character.box, [*low, *(high + width / 2)], atol=3)


def test_characters_are_found_with_their_boxes_heaviest_first():
    places = [(FOUR, 140, (120, 300)), (FIVE, 120, (300, 310)), (XI, 100, (480, 290))]
    characters = found(page(sheet(*places)))
    assert len(characters) == 3
    for lines, height, at in places:
        [one] = [c for c in characters if c.left <= at[0] < c.box[2]]
        assert_box(one, at, lines, height)
    assert [c.weight for c in characters] == sorted((c.weight for c in characters), reverse=True)


def test_rows_close_to_each_other_stay_apart():
    places = [(FOUR, 100, (x, y)) for x, y in itertools.product((100, 220, 340), (150, 270, 390))]
    assert len(found(page(sheet(*places)))) == 9


@pytest.mark.parametrize("lines", [FOUR, FIVE, XI, ZERO])
@pytest.mark.parametrize("ink", [60, 160])
def test_light_added_and_place_change_no_boxes(lines, ink):
    here, there = (found(page(sheet((lines, 150, at)), ink=ink)) for at in ((200, 200), (370, 350)))
    light = np.linspace(1, 0.5, 600)
    lit = found(np.round(page(sheet((lines, 150, (200, 200))), ink=ink) * light).astype(np.uint8))
    assert len(here) == len(there) == len(lit) == 1
    np.testing.assert_allclose(np.add(here[0].box, [170, 150, 170, 150]), there[0].box, atol=2)
    np.testing.assert_allclose(here[0].box, lit[0].box, atol=3)


def alone(lines, height, at):
    return read(page(sheet((lines, height, at))))


def test_a_larger_neighbour_is_no_part_of_it_and_neither_is_a_smaller_one():
    for bold in (8, 24):
        small = strokes(*FIVE, width=bold, side=600, height=90, at=(460, 300))
        both = page(np.maximum(sheet((FOUR, 170, (280, 300))), small))
        assert shifted_difference(alone(FOUR, 170, (280, 300)), read(both)) < 0.05


@pytest.mark.parametrize("gap", [0.05, 0.15, 0.25])
@pytest.mark.parametrize("width", [8, 20])
def test_a_stem_and_its_arms_are_one_and_two_digits_are_not(gap, width):
    apart = gap + width / 200
    kappa = [[(0, 0), (0, 1)], [(apart + 0.5, 0.05), (apart, 0.5), (apart + 0.5, 0.95)]]
    [one] = found(page(sheet((kappa, 200, (300, 300)), width=width)))
    assert_box(one, (300, 300), kappa, 200, width)
    seven = [[(apart, 0.05), (apart + 0.5, 0), (apart + 0.2, 1)]]
    assert len(found(page(sheet((kappa[:1], 200, (300, 300)), (seven, 200, (310, 300)), width=width)))) == 2


@pytest.mark.parametrize("width", [30, 60, 90])
@pytest.mark.parametrize("lines", [ZERO, XI, ALPHA])
def test_bold_letters_keep_their_side_and_their_rings(lines, width):
    grey = page(strokes(*lines, width=width, side=400, height=230, at=(200, 200)))
    [one] = found(grey)
    assert_box(one, (200, 200), lines, 230, width)
    np.testing.assert_allclose(found(255 - grey)[0].box, one.box, atol=3)


@pytest.mark.parametrize("radius", [10, 20, 30, 50])
def test_a_thick_part_of_a_thin_letter_has_no_hole(radius):
    y, x = np.indices((400, 400))
    blob = (x - 200) ** 2 + (y - 235) ** 2 < radius * radius
    [one] = found(page(np.maximum(strokes(*FOUR, width=8, side=400, height=230, at=(200, 200)), blob)))
    rows, columns = np.nonzero(blob)
    assert (one.ink[rows - one.top, columns - one.left] > 0.8).mean() > 0.9


@pytest.mark.parametrize("angle", [0, 5])
@pytest.mark.parametrize("lines", [FOUR, ZERO])
def test_a_box_around_is_not_read(lines, angle):
    box = ndimage.rotate(strokes(*BOX, width=8, side=600, height=300, at=(300, 300)), angle, reshape=False, order=1)
    boxed = page(np.maximum(sheet((lines, 170, (300, 300))), box))
    assert shifted_difference(alone(lines, 170, (300, 300)), read(boxed)) < 0.05


def test_many_boxes_with_a_character_each_are_not_read():
    places = [(FOUR, 80, (x, 300)) for x in (150, 300, 450)]
    boxes = [(BOX, 130, at) for _, _, at in places]
    assert len(found(page(sheet(*places, *boxes)))) == 3


def test_an_underline_is_not_read_but_bars_are():
    line = [[(0, 0.5), (1, 0.5)]]
    under = page(sheet((FOUR, 150, (300, 280)), (line, 220, (300, 385))))
    assert shifted_difference(alone(FOUR, 150, (300, 280)), read(under)) < 0.05
    [xi] = found(page(sheet((XI, 150, (300, 300)))))
    assert_box(xi, (300, 300), XI, 150)


LINE = [[(0, 0.5), (1, 0.5)]]
DIVISION = [[(0.5, 0.2), (0.51, 0.2)], [(-0.1, 0.5), (1.1, 0.5)], [(0.5, 0.8), (0.51, 0.8)]]
DOTTED = [[(0.5, 0), (0.5, 0.25)], [(0.5, 0.45), (0.5, 1)]]
RING = [(0.5, -0.1), (0.38, 0.0), (0.5, 0.12), (0.62, 0.0), (0.5, -0.1)]
U_WITH_RING = [RING, [(0.2, 0.4), (0.25, 1), (0.75, 1), (0.8, 0.4)]]
ROW = [(lines, 90, (x, 150)) for lines, x in ((FOUR, 110), (FIVE, 230), (ZERO, 350), (FOUR, 470))]


@pytest.mark.parametrize("slant", [0, 2])
@pytest.mark.parametrize("below", [66, 90, 130])
def test_a_line_below_several_is_not_read_and_joins_nothing(below, slant):
    """Alone, and as of a sum: what it is the sum of stands above, the result below."""
    line = strokes(*LINE, width=7, side=600, height=480, at=(290, 150 + below))
    line = ndimage.rotate(line, slant, reshape=False, order=1)
    assert len(found(page(np.maximum(sheet(*ROW), line)))) == 4
    result = [(lines, height, (x, 150 + below + 100)) for lines, height, (x, _) in ROW]
    assert len(found(page(np.maximum(sheet(*ROW, *result), line)))) == 8


@pytest.mark.parametrize("gap", [100, 130, 180])
def test_a_minus_below_a_digit_of_another_line_is_read(gap):
    minus = (LINE, 55, (230, 150 + gap))
    second = [(FOUR, 90, (110, 150 + gap)), minus, (FIVE, 90, (350, 150 + gap))]
    assert len(found(page(sheet(*ROW, *second)))) == 7


@pytest.mark.parametrize("noise", [0, 0.5, 1, 2, 4])
@pytest.mark.parametrize("inside", [60, 80, 110])
def test_a_box_around_a_part_of_the_page_is_no_sheet(noise, inside):
    above = [(lines, 80, (x, y)) for y in (90, 210) for lines, _, (x, _) in ROW]
    within = [(FOUR, inside, (250, 420)), (FIVE, inside, (350, 420))]
    grey = page(sheet(*above, *within, (BOX, 220, (300, 420))))
    grey = np.clip(np.random.default_rng(0).normal(grey, noise), 0, 255).astype(np.uint8)
    assert len(found(grey)) == 10


@pytest.mark.parametrize("gap", [0.07, 0.15, 0.25])
@pytest.mark.parametrize("second", [ZERO, OPEN_FOUR, SIX])
def test_a_one_and_the_digit_after_it_are_two(gap, second):
    left = min(x for line in second for x, _ in line)
    moved = [[(x - left + gap + 8 / 200, y) for x, y in line] for line in second]
    assert len(found(page(sheet(([[(0, 0), (0, 1)]], 200, (300, 300)), (moved, 200, (300, 300)))))) == 2


@pytest.mark.parametrize("ratio", [0.4, 0.5, 0.7])
@pytest.mark.parametrize("gap", [35, 50, 70])
def test_a_row_of_smaller_characters_below_is_no_part_of_the_larger_ones(ratio, gap):
    large = [(lines, 120, (x, 120)) for lines, x in ((FOUR, 110), (FIVE, 250), (FOUR, 390))]
    y = 180 + gap + 60 * ratio
    small = [(lines, 120 * ratio, (80 + 90 * n, y)) for n, lines in enumerate((FIVE, FOUR, FIVE, FOUR, FIVE))]
    assert len(found(page(sheet(*large, *small)))) == 8


@pytest.mark.parametrize("sign", [DIVISION, DOTTED, U_WITH_RING, XI])
def test_signs_of_several_strokes_are_one_each_alone_and_in_a_row(sign):
    for n in (1, 3, 4):
        row = [(sign, 80, (70 + 130 * k, y)) for k in range(n) for y in (150, 330)[: n // 2 + 1]]
        assert len(found(page(sheet(*row, side=700)))) == len(row)


@pytest.mark.parametrize("radius", range(60, 240, 30))
def test_what_lies_over_a_corner_hides_no_characters(radius):
    y, x = np.indices((600, 600))
    grey = page(sheet(*((lines, 40, (x, y)) for y in (80, 160, 240) for lines, _, (x, _) in ROW), width=5))
    covered = np.where(np.hypot(x - 560, y - 620) < radius, 90, grey)
    assert len(found(covered.astype(np.uint8))) == 12


def test_what_is_drawn_as_an_outline_is_filled_and_a_loop_is_not():
    thick = strokes(*FOUR, width=34, side=600, height=250, at=(300, 300)) > 0.5
    outline = thick & ~ndimage.binary_erosion(thick, iterations=5)
    assert shifted_difference(read(page(thick)), read(page(outline))) < 0.2
    ring = read(page(sheet((ZERO, 250, (300, 300)))))
    assert ring[14, 14] == 0


def test_an_outline_with_a_blob_is_filled_where_it_is_bent():
    bent, blob = strokes(FIVE[0], width=30, side=600, height=250, at=(300, 300)), [(0.2, 1), (0.21, 1)]
    thick = np.maximum(bent, strokes(blob, width=80, side=600, height=250, at=(300, 300))) > 0.5
    outline = thick & ~ndimage.binary_erosion(thick, iterations=5)
    assert shifted_difference(read(page(thick)), read(page(outline))) < 0.2


def test_salt_and_pepper_is_left_out_and_a_line_of_one_pixel_is_not():
    grey = page(sheet((FOUR, 250, (300, 300))))
    salted = grey.copy()
    salted[np.random.default_rng(0).random(grey.shape) < 0.05] = 255
    salted[np.random.default_rng(1).random(grey.shape) < 0.05] = 0
    assert shifted_difference(read(grey), read(salted)) < 0.1
    thin = page(strokes(*FOUR, width=1, side=120, height=80, at=(60, 60)))
    assert (abs(ndimage.median_filter(thin, 3).astype(int) - thin) > 60).mean() > 0.005  # it would be taken for specks
    assert shifted_difference(read(grey), read(thin)) < 0.2


@pytest.mark.parametrize("shape", [(60, 60), (61, 97), (3, 3), (1, 7)])
def test_the_median_of_nine_is_scipys(shape):
    grey = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(_median(grey), ndimage.median_filter(grey, 3, mode="nearest"))


def test_distances_are_scipys_wherever_the_mask_lies():
    random = np.random.default_rng(0)
    for shape in ((40, 60), (5, 5), (1, 9)):
        mask = random.random(shape) < 0.6
        mask[:, : shape[1] // 3] = False
        np.testing.assert_array_equal(distance(mask), ndimage.distance_transform_edt(mask))
    assert not distance(np.zeros((3, 3), bool)).any()


# ---- the sheet


def put(content, around, at):
    picture = around.copy()
    top, left = at
    picture[top : top + content.shape[0], left : left + content.shape[1]] = content
    return picture


PAPER = page(sheet((FOUR, 110, (150, 150)), side=300))
DESK = np.full((600, 600), 70, np.uint8)
SURROUNDINGS = {
    "paper on a desk": (PAPER, DESK, (120, 180)),
    "its corner": (PAPER, DESK, (0, 0)),
    "black canvas on a page": (255 - PAPER, np.full((600, 600), 250, np.uint8), (150, 150)),
    "black in a white frame": (np.pad(255 - PAPER, 12, constant_values=250), None, (0, 0)),
    "canvas with a line around": (np.pad(np.pad(PAPER, 3, constant_values=40), 25, constant_values=225), None, (0, 0)),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_sheet_is_read_as_if_it_were_alone(name):
    content, around, at = SURROUNDINGS[name]
    picture = content if around is None else put(content, around, at)
    assert shifted_difference(read(PAPER), read(picture)) < 0.06


def test_a_sheet_is_found_where_it_is():
    sheet_there = find_sheet(put(PAPER, DESK, (120, 180)))
    wanted = put(np.ones((300, 300), bool), np.zeros((600, 600), bool), (120, 180))
    assert (sheet_there & wanted).sum() > 0.93 * (sheet_there | wanted).sum()


@pytest.mark.parametrize("lines", [FOUR, FIVE, XI, ZERO])
def test_bare_paper_its_light_and_its_shadows_have_no_sheet(lines):
    grey = page(sheet((lines, 200, (300, 300)), width=30))
    assert find_sheet(grey) is None
    assert find_sheet(np.round(grey * np.linspace(1, 0.4, 600)).astype(np.uint8)) is None
    many = page(sheet(*((lines, 90, at) for at in itertools.product((120, 300, 480), (120, 300, 480)))))
    many[:, 330:] = np.round(many[:, 330:] * 0.6)  # a hard shadow, with writing on both sides
    assert find_sheet(many) is None
    assert len(found(many)) == 9


def test_a_hull_and_the_least_rectangle_in_closed_form():
    mask = np.zeros((90, 120), bool)
    mask[20:60, 30:100] = True
    assert hull_area(mask) == (40 * 70, 40 * 70)
    y, x = np.indices((301, 301)) - 150
    area, rectangle = hull_area(x * x + y * y <= 140 * 140)
    assert area == pytest.approx(np.pi * 140 * 140, rel=0.02)
    assert rectangle == pytest.approx(4 * 140 * 140, rel=0.02)
    area, rectangle = hull_area(abs(x) + abs(y) <= 140)
    assert area == pytest.approx(rectangle, rel=0.02)  # a square on its corner
    assert hull_area(np.ones((1, 1), bool)) == (1, 1)


def test_what_lies_on_the_edge_and_with_how_much_of_itself():
    labels = np.zeros((10, 20), int)
    labels[4:6, 8:12] = 1
    labels[0, 5:15] = 2
    labels[1:4, 6] = 2  # ten pixels long, all of them on the edge
    labels[6:, 19] = 3  # in a corner: on two sides
    labels[7:, 0:2] = 4
    np.testing.assert_allclose(on_edge(labels, 4), [0, 1, 5 / 4, (3 + 2) / 3])
    assert on_edge(np.zeros((3, 3), int), 0).shape == (0,)


# ---- ruling


@pytest.mark.parametrize("angle", [-7, -5, 0, 2, 5, 7])
@pytest.mark.parametrize("upright", [False, True])
def test_ruled_lines_at_any_slant_a_page_is_held_are_taken_out(angle, upright):
    y, x = np.indices((600, 600))
    rows = y - (x - 300) * np.tan(np.radians(angle))
    lines = (rows % 110) < 4
    own = sheet((FOUR, 180, (300, 300)), width=18) > 0.5
    mask = lines | own
    kept = without_ruling(mask.T.copy() if upright else mask)
    kept = kept.T if upright else kept
    assert (kept & lines & ~own).sum() < 0.02 * (lines & ~own).sum()
    assert (kept & own).sum() > 0.9 * own.sum()


@pytest.mark.parametrize("margin", [0.08, 0.11, 0.14])
@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("angle", [-3, 0, 3])
def test_several_ruled_lines_with_margins_are_taken_out_and_strokes_that_are_as_long_are_not(angle, upright, margin):
    y, x = np.indices((600, 600))
    rows = y - (x - 300) * np.tan(np.radians(angle))
    lines = ((rows % 110) < 3) & (x > margin * 600) & (x < (1 - margin) * 600)
    own = sheet((FOUR, 180, (300, 300)), (FIVE, 90, (480, 300)), width=18) > 0.5
    for ruling in (lines, lines & (rows > 250) & (rows < 500)):  # six, and two
        mask = ruling | own
        kept = without_ruling(mask.T.copy() if upright else mask)
        kept = kept.T if upright else kept
        left = (kept & ruling & ~own).sum() / (ruling & ~own).sum()
        assert left < 0.05 if ruling is lines else left == 1
        assert (kept & own).sum() > 0.9 * own.sum()


@pytest.mark.parametrize("tone", [0.8, 0.65, 0.5])
def test_nothing_is_left_of_dark_ruling(tone):
    y, x = np.indices((600, 600))
    for angle in (-3, 1, 4):
        lines = ((y - x * np.tan(np.radians(angle))) % 62 < 2.2) * (1 - tone)
        grey = page(sheet(*ROW, width=9)) * (1 - lines)
        grey = np.random.default_rng(0).normal(grey, 1)
        assert len(found(np.clip(grey, 0, 255).astype(np.uint8))) == 4


# ---- light hands and hard shadows

EIGHT = [(0.5, 0.5), (0.25, 0.25), (0.5, 0), (0.75, 0.25), (0.5, 0.5), (0.2, 0.75), (0.5, 1), (0.8, 0.75), (0.5, 0.5)]


def pressed(*parts):
    """Ink of lines, each with its own strength."""
    return np.max([own * strokes(line, width=7, side=600, height=250, at=(300, 300)) for line, own in parts], axis=0)


@pytest.mark.parametrize("light", [0.2, 0.3, 0.5, 0.7])
def test_a_stroke_that_is_light_in_places_is_read_as_if_it_were_not(light):
    grey = page(pressed((EIGHT[:3], 1), (EIGHT[2:5], light), (EIGHT[4:], 1)))
    assert shifted_difference(read(page(pressed((EIGHT, 1)))), read(grey)) < 0.1


@pytest.mark.parametrize("light", [0.15, 0.2, 0.3])
def test_a_faint_line_that_ends_on_paper_is_no_part_of_a_stroke(light):
    grey = page(pressed((EIGHT, 1), ([(0.75, 0.25), (1.4, -0.1)], light)))
    assert shifted_difference(read(page(pressed((EIGHT, 1)))), read(grey)) < 0.1


@pytest.mark.parametrize("slant", [-0.4, -0.1, 0.2, 0.5])
@pytest.mark.parametrize("share", [0.6, 0.75])
def test_a_hard_shadow_across_hides_no_characters_and_makes_none(share, slant):
    """Beside dark corners: of a line's characters some lie in the shadow, some in the light, one in both."""
    lines = [([EIGHT], 120, (x, y)) for y in (120, 320, 520) for x in range(80, 580, 115)]
    y, x = np.indices((640, 640))
    corners = 1 - 0.3 * (((x - 320) / 320) ** 2 + ((y - 320) / 320) ** 2) / 2
    light = np.where(x < 340 + slant * (y - 320), share, 1) * corners
    characters = found((page(sheet(*lines, side=640, width=6)) * light).astype(np.uint8))
    assert len(characters) == 15
    for (_, height, at), character in zip(sorted(lines, key=lambda one: one[2]), by_place(characters), strict=True):
        assert_box(character, at, [EIGHT], height, 6)


@pytest.mark.parametrize("at", [(380, 360), (420, 380), (460, 300)])
@pytest.mark.parametrize("dark, ink", [(0.1, 0.1), (0.2, 0.15)])
def test_a_soft_shade_over_a_part_of_faint_strokes_is_no_ink(at, dark, ink):
    """As a hand's: darker than the ink, so that what it adds is more than what a narrow window takes."""
    y, x = np.indices((600, 600))
    light = 1 - dark * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 130 * 130))
    alone = sheet((ALPHA, 300, (300, 300)), width=14)
    shaded = 200 * light * (1 - ink * alone) + np.random.default_rng(0).normal(0, 1, alone.shape)
    for grey in (shaded, 255 - shaded):
        assert shifted_difference(read(page(alone)), read(grey.astype(np.uint8))) < 0.1


def by_place(characters):
    """Columns from left to right, each from top to bottom."""
    return sorted(characters, key=lambda one: (round(one.left / 115), one.top))


# ---- what comes from nowhere


HARD = {
    "noise": np.random.default_rng(0).integers(0, 256, (600, 600)).astype(np.uint8),
    "thousands of dots": np.where((np.indices((600, 600)) % 8 < 4).all(axis=0), 30, 220).astype(np.uint8),
    "flat": np.full((600, 600), 200, np.uint8),
    "one pixel": np.zeros((1, 1), np.uint8),
    "a line of pixels": np.random.default_rng(0).integers(0, 99, (1, 600)).astype(np.uint8),
    "a slope": np.tile(np.arange(600) // 3, (600, 1)).astype(np.uint8),
}


@pytest.mark.parametrize("name", HARD)
def test_any_picture_is_done_soon(name):
    begun = time.process_time()
    characters = found(HARD[name])
    assert time.process_time() - begun < 10  # seconds of this process, however busy the machine
    assert len(characters) <= 1000
    assert name not in ("flat", "one pixel") or not characters


@pytest.mark.parametrize("dark", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("pen", [3, 8])
def test_dark_corners_do_not_turn_ink_into_paper(dark, pen):
    """Circles by a thin pen, a seventh darker than the paper, whose corners are darker by far; and its negative."""
    y, x = np.mgrid[0:600, 0:1000]
    page = 200 * (1 - 2 * dark * ((x / 1000 - 0.5) ** 2 + (y / 600 - 0.5) ** 2))
    for middle in range(150, 900, 120):
        page[abs(np.hypot(x - middle, (y - 300) * 0.6) - 40) < pen / 2] *= 0.86
    page = np.clip(page + np.random.default_rng(0).normal(0, 1, page.shape), 0, 255).astype(np.uint8)
    for seen in (page, 255 - page):
        ink = strength(seen).ink
        middle = ink[300, 150 - 40 : 150 + 41]
        assert middle[[0, -1]].min() > max(0.05, 2 * middle[20:61].max())
