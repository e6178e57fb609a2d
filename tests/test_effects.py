"""What a sweep's numbers say: thresholds and verdicts."""

import math

import numpy as np
import pytest

from recognition.sweep import effects
from recognition.sweep.effects import HYPOTHESES, Noise, effect, enough, front, noise, verdict


def test_the_noise_is_the_standard_deviation_over_seeds():
    assert noise([0.88, 0.89, 0.90]) == (3, pytest.approx(0.01))
    assert math.isnan(noise([0.9]).deviation) and math.isnan(noise([]).deviation)


def test_chance_exceeds_the_threshold_in_five_sweeps_of_a_hundred():
    """A sweep without any effect, ten thousand times: five seeds for the noise, five levels of fifteen cells."""
    draw = np.random.default_rng(0)
    seeds, cells = draw.normal(size=(10_000, 5)), draw.normal(size=(10_000, 5, 15)).mean(2)
    spread, deviation = np.ptp(cells, axis=1), seeds.std(axis=1, ddof=1)
    threshold = Noise(5, 1.0).threshold(levels=5, cells=15)
    assert (spread > threshold * deviation).mean() == pytest.approx(0.05, abs=0.008)


def test_the_threshold_scales_as_a_deviation_of_means():
    assert Noise(5, 0.02).threshold(3, 25) == pytest.approx(2 * Noise(5, 0.01).threshold(3, 25))
    assert Noise(5, 0.01).threshold(3, 100) == pytest.approx(Noise(5, 0.01).threshold(3, 25) / 2)
    assert math.isnan(Noise(1, math.nan).threshold(3, 25))


@pytest.mark.parametrize(
    ("means", "says"),
    [
        ([0.90, 0.88], "confirmed"),
        ([0.91, 0.905, 0.89, 0.88], "confirmed"),
        ([0.90, 0.8999, 0.88], "partly confirmed: only 2 is worse"),
        ([0.90, 0.885, 0.88], "partly confirmed: only 0 is better"),
        ([0.90, 0.899], "within the noise"),
        ([0.899, 0.90], "within the noise"),
        ([0.88, 0.90], "contradicted"),
        ([0.89, 0.91, 0.87], "partly contradicted"),
        ([0.9], "not asked"),
    ],
)
def test_a_verdict_follows_from_the_means(means, says):
    assert verdict(dict(enumerate(means)), 0.01 if len(means) > 1 else math.nan) == says


def test_without_noise_there_is_no_verdict():
    assert verdict({5: 0.9, 2: 0.8}, math.nan) == "noise not measured"


def test_an_effect_compares_the_levels_means():
    found = effect([5, 5, 90, 90], [0.86, 0.88, 0.89, 0.91], Noise(5, 0.001), HYPOTHESES["filters"])
    assert list(found.means) == [90, 5] and list(found.means.values()) == pytest.approx([0.90, 0.87])
    assert found.spread == pytest.approx(0.03) and found.verdict == "confirmed"


@pytest.mark.parametrize(
    ("accuracies", "least"),
    [
        ({1: 0.88, 2: 0.90, 4: 0.905}, 2),
        ({1: 0.88, 2: 0.89, 4: 0.92}, 4),
        ({1: 0.90, 2: 0.89, 4: 0.88}, 1),
        ({1: 0.88}, 1),
    ],
)
def test_enough_is_the_least_number_after_which_nothing_gains_more_than_chance(accuracies, least):
    assert enough(accuracies, 0.01) == least
    assert enough(accuracies, math.nan) is None


def test_every_dimension_has_its_hypothesis():
    assert set(effects.HYPOTHESES) == {"architecture", "kernel_size", "filters"}


@pytest.mark.parametrize(
    ("costs", "accuracies", "expected"),
    [
        ([3, 1, 2], [0.9, 0.8, 0.7], [1, 0]),
        ([1, 1, 2], [0.8, 0.9, 0.9], [1]),
        ([5], [0.5], [0]),
        ([], [], []),
    ],
)
def test_the_front_is_what_nothing_cheaper_equals(costs, accuracies, expected):
    assert front(costs, accuracies) == expected
