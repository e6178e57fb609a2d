import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.telling.filters import CHANCE, by_chance, describe, holm, respond

ANGLES = range(0, 180, 15)


def contour(profile, degrees: float, k: int = 5) -> np.ndarray:
    """A contour through the centre of a k x k filter: `profile` of the distance from it, averaged over each pixel."""
    fine = 32
    x = (np.arange(k * fine) + 0.5) / fine - k / 2
    y = -x[:, None]  # upwards
    distance = y * np.cos(np.radians(degrees)) - x * np.sin(np.radians(degrees))
    return profile(distance).reshape(k, fine, k, fine).mean(axis=(1, 3))


def edge(degrees: float, k: int = 5) -> np.ndarray:
    return contour(lambda distance: np.sign(np.round(distance, 9)), degrees, k)


def line(degrees: float, k: int = 5) -> np.ndarray:
    return contour(lambda distance: np.exp(-(distance**2)), degrees, k)


def between(a: float, b: float) -> float:
    """The angle between two orientations, 0 to 90 degrees."""
    return abs((a - b + 90) % 180 - 90)


@pytest.mark.parametrize("make", [edge, line])
@pytest.mark.parametrize("degrees", ANGLES)
def test_a_contour_is_recognised_and_its_orientation_found(make, degrees):
    [found] = describe(make(degrees)[None])
    assert found.kind == make.__name__
    assert between(found.orientation, degrees) <= 2


@pytest.mark.parametrize("k", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("make", [edge, line])
def test_every_kernel_size_tells_edges_from_lines(make, k):
    for degrees, found in zip(ANGLES, describe(np.stack([make(degrees, k) for degrees in ANGLES])), strict=True):
        assert found.kind == make.__name__
        assert between(found.orientation, degrees) <= 5


@pytest.mark.parametrize("degrees", [0, 45, 90, 135])
def test_a_2x2_filter_is_an_edge(degrees):
    assert describe(edge(degrees, 2)[None]) == [("edge", degrees, 1, 0, 0)]


def test_orientation_is_anticlockwise_from_the_horizontal_as_seen():
    slash = np.fliplr(np.eye(5))  # "/"
    assert describe(slash[None])[0][:2] == ("line", 45.0)


@pytest.mark.parametrize("k", [3, 4, 5, 6, 7])
def test_a_gaussian_is_a_blob(k):
    x = np.arange(k) - (k - 1) / 2
    gaussian = np.exp(-(x**2 + x[:, None] ** 2) / (2 * (k / 5) ** 2))
    [found] = describe(gaussian[None])
    assert found.kind == "blob"
    assert found.blob > 0.99
    assert found.edge == 0


@pytest.mark.parametrize("k", range(2, 8))
def test_sign_scale_and_mean_of_the_weights_do_not_matter(k):
    filters = np.random.default_rng(k).normal(size=(20, k, k))
    found = describe(filters)
    assert describe(-filters) == found
    assert describe(1e-3 * filters) == found
    assert describe(filters + 7) == found


@pytest.mark.parametrize("k", range(2, 8))
def test_turning_a_filter_turns_its_orientation(k):
    filters = np.random.default_rng(k).normal(size=(50, k, k))
    for before, after in zip(describe(filters), describe(np.rot90(filters, axes=(1, 2))), strict=True):
        assert after.kind == before.kind
        assert after[2:] == pytest.approx(before[2:], abs=2e-4)
        assert between(after.orientation, before.orientation + 90) <= 0.11  # rounded to 0.1


@pytest.mark.parametrize("k", range(2, 8))
def test_matches_are_shares(k):
    for found in describe(np.random.default_rng(k).normal(size=(200, k, k))):
        assert all(0 <= match <= 1 for match in found[2:])
        assert 0 <= found.orientation < 180
        assert getattr(found, found.kind) == max(found[2:])


@pytest.mark.parametrize("weights", [np.zeros((5, 5)), np.full((5, 5), 0.1, dtype=np.float32), [[1, -1], [-1, 1]]])
def test_a_filter_without_edge_line_or_blob_is_none(weights):
    assert describe(np.array([weights])) == [("none", 0, 0, 0, 0)]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("k", range(2, 8))
def test_responses_are_those_of_conv2d(k):
    rng = np.random.default_rng(k)
    image, filters = rng.normal(size=(11, 8)), rng.normal(size=(3, k, k))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(image)[None, None], torch.from_numpy(filters)[:, None], padding="same"
    )
    np.testing.assert_allclose(respond(image, filters), expected[0].numpy(), atol=1e-12)


def test_of_random_sets_of_ten_one_in_twenty_has_a_form_beyond_chance():
    draw, sets = np.random.default_rng(1), 1000
    beyond = sum(min(by_chance(describe(draw.normal(size=(10, 5, 5))), 5)) < CHANCE for _ in range(sets))
    assert 0.05 * sets - 2.6 * (0.0475 * sets) ** 0.5 < beyond < 0.05 * sets + 2.6 * (0.0475 * sets) ** 0.5


@pytest.mark.parametrize("n", [1, 10, 90])
def test_a_clear_form_is_beyond_chance_however_many_are_judged(n):
    weights = np.random.default_rng(n).normal(size=(n, 5, 5))
    weights[0] = line(45)
    assert by_chance(describe(weights), 5)[0] < CHANCE
    assert by_chance([], 5) == []


def test_no_form_is_beyond_chance_for_certain():
    assert by_chance(describe(np.zeros((2, 5, 5))), 5) == [1, 1]
    assert min(by_chance(describe(line(45)[None]), 5)) > 0


def test_shares_are_adjusted_as_holm_says():
    """His method step by step: the least share is held against a / n, the next against a / (n - 1), until one fails."""
    draw = np.random.default_rng(2)
    for _ in range(200):
        shares = (draw.random(6) ** 3).tolist()
        adjusted = holm(shares)
        for level in (0.01, 0.05, 0.3):
            rejected = set()
            for place, i in enumerate(np.argsort(shares)):
                if shares[i] > level / (6 - place):
                    break
                rejected.add(i)
            assert {i for i in range(6) if adjusted[i] <= level} == rejected
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([]) == []


def test_what_is_found_does_not_depend_on_numpys_choice_of_kernels():
    program = (
        "import hashlib, numpy as np; from recognition.telling.filters import describe, by_chance, respond;"
        "w = np.random.default_rng(0).standard_normal((10, 5, 5)).astype(np.float32); found = describe(w);"
        "print(found, by_chance(found, 5));"
        "print(hashlib.sha256(respond(np.arange(784).reshape(28, 28) / 255, w)).hexdigest())"
    )
    features = np._core._multiarray_umath
    beyond = [name for name in features.__cpu_dispatch__ if features.__cpu_features__[name]]
    run = {"args": [sys.executable, "-c", program], "capture_output": True, "check": True, "text": True}
    as_it_is = subprocess.run(**run).stdout
    assert as_it_is == subprocess.run(**run, env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(beyond)}).stdout
    assert len(beyond) and len(as_it_is) > 500


def test_arrays_meet_no_function_that_numpy_chooses_by_processor():
    source = (Path(__file__).parent.parent / "recognition/telling/filters.py").read_text()
    for node in ast.walk(ast.parse(source)):
        assert not isinstance(node, ast.Pow | ast.MatMult)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
            assert node.attr not in {"linalg", "exp", "sin", "cos", "hypot", "arctan2", "dot", "einsum", "power"}
