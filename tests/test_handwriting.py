"""One character in any picture, the same 28x28."""

import io
import itertools
import runpy
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from recognition.base.errors import UserError
from recognition.ink.characters import find_characters
from recognition.ink.decode import MAX_SIDE, read_grey
from recognition.ink.normalise import normalise
from recognition.ink.paper import strength
from recognition.ink.pictures import label_of, prepare

HOME = Path(__file__).parents[1] / "data" / "handwriting"
DIGITS = [str(digit) for digit in range(10)]
PAPER, INK = 210, 60


def strokes(*lines, width, side=300, height=160, at=(150, 150)):
    """Share of ink, (side, side): polylines in a unit box, drawn `height` high around `at` (x, y), `width` wide."""
    y, x = np.mgrid[:side, :side]
    distance = np.full((side, side), np.inf)
    for line in lines:
        for start, end in itertools.pairwise(line):
            (ax, ay), (bx, by) = (
                [(p - 0.5) * height + q for p, q in zip(point, at, strict=True)] for point in (start, end)
            )
            t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
            distance = np.minimum(distance, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    return np.clip(width / 2 + 0.5 - distance, 0, 1)


FOUR = [[(0.5, 0), (0.1, 0.65), (0.9, 0.65)], [(0.7, 0.35), (0.65, 1)]]
FIVE = [[(0.25, 0.2), (0.25, 0.5), (0.7, 0.55), (0.7, 0.85), (0.2, 1)], [(0.4, 0), (0.85, 0)]]  # the bar stands apart
XI = [[(0.1, 0), (0.9, 0)], [(0.25, 0.5), (0.75, 0.5)], [(0.1, 1), (0.9, 1)]]


def page(covered, paper=PAPER, ink=INK):
    return np.round(paper + (ink - paper) * covered).astype(np.uint8)


def find_ink(grey):
    return find_characters(strength(grey))[0].ink


def read(grey):
    return normalise(find_ink(grey)).astype(int)


def difference(a, b):
    """Mean difference of two readings, as a share of the ink in the first."""
    return np.abs(a.astype(int) - b).sum() / a.sum()


def shifted_difference(a, b):
    """The least difference when either centre of mass may have been rounded to the next pixel."""
    steps = itertools.product((-1, 0, 1), repeat=2)
    return min(difference(a, np.roll(b, step, axis=(0, 1))) for step in steps)


@pytest.fixture(scope="module")
def four():
    return page(strokes(*FOUR, width=14))


@pytest.fixture(scope="module")
def expected(four):
    return read(four)


FORMATS = {
    "grey.png": lambda grey: (Image.fromarray(grey), {}),
    "colour.png": lambda grey: (Image.fromarray(grey).convert("RGB"), {}),
    "palette.png": lambda grey: (Image.fromarray(grey).convert("P"), {}),
    "palette.gif": lambda grey: (Image.fromarray(grey).convert("P"), {}),
    "bits.png": lambda grey: (Image.fromarray(grey > 135), {}),
    "sixteen.png": lambda grey: (Image.fromarray(grey.astype(np.uint16) * 17), {}),
    "opaque.png": lambda grey: (Image.fromarray(grey).convert("RGBA"), {}),
    "photo.jpg": lambda grey: (Image.fromarray(grey).convert("RGB"), {"quality": 85}),
    "cmyk.jpg": lambda grey: (Image.fromarray(grey).convert("CMYK"), {"quality": 85}),
    "picture.webp": lambda grey: (Image.fromarray(grey).convert("RGB"), {"quality": 85}),
    "picture.bmp": lambda grey: (Image.fromarray(grey), {}),
    "pages.tif": lambda grey: (Image.fromarray(grey), {"save_all": True, "append_images": [Image.new("L", (9, 9))]}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same(tmp_path, four, expected, name):
    image, options = FORMATS[name](four)
    image.save(tmp_path / name, **options)
    found = prepare(tmp_path / name)
    assert found.shape == (28, 28)
    assert found.dtype == np.uint8
    assert difference(expected, found) < 0.08


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("ink", [0, 255])
def test_transparent_paper(tmp_path, expected, mode, ink):
    alpha = page(strokes(*FOUR, width=14), paper=0, ink=255)
    image = Image.merge("LA", [Image.new("L", (300, 300), ink), Image.fromarray(alpha)]).convert(mode)
    image.save(tmp_path / "drawn.png")
    assert difference(expected, prepare(tmp_path / "drawn.png")) < 0.08


@pytest.mark.filterwarnings("ignore:.*(EXIF|Tag data)")
def test_a_damaged_exif_block_is_passed_over(tmp_path, four, expected):
    exif = Image.Exif()
    exif[0x0112] = 1
    for k in range(6, len(exif.tobytes())):
        damaged = bytearray(exif.tobytes())
        damaged[k] ^= 0xFF
        Image.fromarray(four).save(tmp_path / "photo.jpg", exif=bytes(damaged))
        assert difference(expected, prepare(tmp_path / "photo.jpg")) < 0.08


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e30])
def test_floating_point_pictures_of_any_range_and_with_holes(tmp_path, four, expected, scale):
    values = four.astype(np.float32) * np.float32(scale)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "p.tif")
    assert difference(expected, prepare(tmp_path / "p.tif")) < 0.08


def test_polarity_does_not_matter(four, expected):
    assert difference(expected, read(255 - four)) < 0.1


@pytest.mark.parametrize("side", [60, 1400])
def test_size_of_the_picture_does_not_matter(tmp_path, four, expected, side):
    Image.fromarray(four).resize((side, side), Image.Resampling.LANCZOS).save(tmp_path / "p.png")
    assert shifted_difference(expected, prepare(tmp_path / "p.png")) < 0.22


@pytest.mark.parametrize("at", [(60, 70), (240, 70), (70, 240), (230, 225)])
def test_place_does_not_matter(at):
    middle = read(page(strokes(*FOUR, width=7, height=90)))
    assert difference(middle, read(page(strokes(*FOUR, width=7, height=90, at=at)))) < 0.08


def light(kind):
    y, x = np.mgrid[:300, :300] / 300
    return {
        "gradient": 1 - 0.6 * x,
        "shadow": ndimage.gaussian_filter(np.where(x + 0.4 * y < 0.7, 0.5, 1.0), 3),
        "vignette": 1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.5,
    }[kind]


@pytest.mark.parametrize("kind", ["gradient", "shadow", "vignette"])
def test_light_does_not_matter(four, expected, kind):
    noise = np.random.default_rng(3).normal(0, 2, four.shape)
    assert difference(expected, read(np.clip(four * light(kind) + noise, 0, 255).astype(np.uint8))) < 0.15


def dirt(kind, grey):
    grey = grey.copy()
    y, x = np.mgrid[:300, :300]
    if kind == "table edge":
        grey[x < 18 + y // 20] = 30
    elif kind == "neighbour":
        grey[130:170, 285:] = INK
    elif kind == "specks":
        grey[20:270:40, 20:23] = grey[20:23, 20:270:40] = INK
    elif kind == "ruled":
        grey[20::44] = grey[21::44] = np.minimum(grey[20::44], 110)
    elif kind == "squared":
        lines = (x % 30 < 2) | (y % 30 < 2)
        grey[lines] = np.minimum(grey[lines], 110)
    return grey


@pytest.mark.parametrize("kind", ["table edge", "neighbour", "specks", "ruled", "squared"])
def test_what_is_not_the_character_goes(four, expected, kind):
    assert difference(expected, read(dirt(kind, four))) < 0.15


@pytest.mark.parametrize(("character", "n"), [(FIVE, 2), (XI, 3)])
def test_separate_strokes_stay(character, n):
    ink = find_ink(page(strokes(*character, width=10)))
    assert ndimage.label(ink > 0)[1] == n


@pytest.mark.parametrize("character", [FOUR, FIVE, XI, [[(0.5, 0), (0.5, 1)]], [[(0, 0.5), (1, 0.5)]]])
@pytest.mark.parametrize("width", [3, 12, 30])
def test_fits_mnist_box_centred_by_mass(character, width):
    found = read(page(strokes(*character, width=width)))
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert np.allclose(ndimage.center_of_mass(found), 14, atol=0.6)  # MNIST's own lie between 13.5 and 14.5
    assert found.max() > 240


def test_thin_pens_are_thickened_to_one_width():
    ink = [int(read(page(strokes(*FOUR, width=width))).sum()) for width in (2, 4, 8, 14)]
    assert max(ink) < 1.15 * min(ink)


def test_thick_pens_stay_thick():
    assert read(page(strokes(*FOUR, width=30))).sum() > 1.3 * read(page(strokes(*FOUR, width=8))).sum()


@pytest.mark.parametrize("grain", [2, 3, 4])
def test_bare_grains_of_paper_in_a_broad_stroke_do_not_make_it_broader(grain):
    y, x = np.mgrid[-100:100, -100:100]
    ring = (np.hypot(y, x) < 90) & (np.hypot(y, x) > 15)
    bare = np.random.default_rng(grain).random((200 // grain + 1, 200 // grain + 1)) < 0.2
    grainy = ring & ~np.kron(bare, np.ones((grain, grain), bool))[:200, :200]
    even, uneven = (normalise(ink.astype(np.float32)) for ink in (ring, grainy))
    assert even[14, 14] == uneven[14, 14] == 0  # the hole in the middle
    assert (uneven > 128).sum() == pytest.approx((even > 128).sum(), rel=0.05)


def test_mnist_comes_back_as_it_was(expected):
    """A picture of MNIST's own form is a fixed point, but for the rounding of its edges."""
    assert difference(expected, read(expected.astype(np.uint8))) < 0.18


def test_large_pictures_are_reduced(tmp_path):
    Image.new("L", (3700, 900), 200).save(tmp_path / "wide.png")
    assert max(read_grey(tmp_path / "wide.png").shape) <= MAX_SIDE


def failing(path, make):
    make(path)
    with pytest.raises(UserError) as caught:
        prepare(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(path)) == 1
    return str(caught.value)


def bomb(width, height):
    """A PNG whose header alone promises that many pixels."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def truncated_jpeg():
    file = io.BytesIO()
    Image.fromarray(page(strokes(*FOUR, width=14))).save(file, "JPEG")
    return file.getvalue()[: len(file.getvalue()) // 2]


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("blank.png", lambda path: Image.new("L", (200, 200), 230).save(path), "no ink"),
        ("black.png", lambda path: Image.new("L", (200, 200), 0).save(path), "no ink"),
        ("clear.png", lambda path: Image.new("RGBA", (200, 200), (0, 0, 0, 0)).save(path), "no ink"),
        ("dot.png", lambda path: Image.new("L", (1, 1), 0).save(path), "no ink"),
        ("text.png", lambda path: path.write_text("seven"), "not a picture"),
        ("empty.png", lambda path: path.write_bytes(b""), "not a picture"),
        ("half.jpg", lambda path: path.write_bytes(truncated_jpeg()), "truncated"),
        ("damaged.png", lambda path: path.write_bytes(bomb(50, 50)), "cannot be read"),
        ("bomb.png", lambda path: path.write_bytes(bomb(14_000, 14_000)), "too large"),
        ("large_bomb.png", lambda path: path.write_bytes(bomb(60_000, 60_000)), "too large"),
        ("missing.png", lambda path: None, "no such file"),
        ("folder.png", lambda path: path.mkdir(), "cannot be read"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_failures_are_one_line_naming_the_file(tmp_path, name, make, says):
    assert says in failing(tmp_path / name, make)


@pytest.mark.parametrize("seed", range(10))
def test_noisy_blank_paper_is_empty(seed):
    noise = np.random.default_rng(seed).normal(0, 3, (400, 300))
    assert not find_characters(strength(np.clip(200 + noise, 0, 255).astype(np.uint8)))


def test_threads_agree(tmp_path, four, expected):
    Image.fromarray(four).save(tmp_path / "p.png")
    found = []
    threads = [threading.Thread(target=lambda: found.append(prepare(tmp_path / "p.png"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(one, expected) for one in found)


def test_damaged_tiffs_are_one_line_of_our_own(tmp_path, capfd):
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)).save(
        content, "TIFF", compression="tiff_lzw"
    )
    damaged = bytearray(content.getvalue())
    damaged[2000:60000:97] = bytes(255 - byte for byte in damaged[2000:60000:97])
    (tmp_path / "1.tif").write_bytes(damaged)
    with pytest.raises(UserError, match=r"1\.tif: cannot be read"):
        prepare(tmp_path / "1.tif")
    assert capfd.readouterr() == ("", "")


def test_draw_gives_the_pictures_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["draw.py", str(tmp_path)])
    runpy.run_path(str(HOME / "draw.py"), run_name="__main__")
    for digit in DIGITS:
        assert (tmp_path / f"{digit}.png").read_bytes() == (HOME / "digits" / f"{digit}.png").read_bytes()


@pytest.mark.parametrize("digit", DIGITS)
def test_pictures_of_the_project_are_read(digit):
    found = prepare(HOME / "digits" / f"{digit}.png")
    assert 8000 < found.sum() < 50000  # of MNIST's own, 98 in 100 lie between 9,800 and 49,600
    assert label_of(HOME / "digits" / f"{digit}.png", DIGITS) == digit
