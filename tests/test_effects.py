"""What a sweep's numbers say: thresholds and verdicts."""

import math
import re

import numpy as np
import pytest

from recognition.sweep import effects
from recognition.sweep.effects import HYPOTHESES, Noise, effect, enough, front, noise, verdict


def test_the_noise_is_the_standard_deviation_over_seeds():
    assert noise([0.88, 0.89, 0.90]) == (3, pytest.approx(0.01), 1)
    assert math.isnan(noise([0.9]).deviation) and math.isnan(noise([]).deviation)


def test_the_noise_of_several_trainings_is_their_common_deviation():
    found = noise([0.88, 0.89, 0.90], [0.91, 0.94, 0.97])
    assert found == (3, pytest.approx(math.sqrt((0.01**2 + 0.03**2) / 2)), 2)
    assert found.threshold(3, 3) == pytest.approx(Noise(5, found.deviation).threshold(3, 3))  # four degrees of freedom


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
        ([0.90, 0.895, 0.889], "partly confirmed: 0 is better than 2"),
        ([0.90, 0.8855, 0.895], "partly confirmed: 0 is better than 1"),
        ([0.90, 0.8995, 0.895, 0.8892], "partly confirmed: 0 and 1 are better than 3"),
        ([0.90, 0.896, 0.889, 0.8892], "partly confirmed: 0 is better than 2 and 3"),
        ([0.9], "not asked"),
    ],
)
def test_a_verdict_follows_from_the_means(means, says):
    assert verdict(dict(enumerate(means)), 0.01 if len(means) > 1 else math.nan) == says


def test_a_level_that_loses_to_one_other_alone_is_not_the_only_worse():
    means = {5: 0.90, 4: 0.8985, 3: 0.897, 2: 0.8955, 1: 0.8895}
    assert verdict(means, 0.01) == "partly confirmed: 5 is better than 1"


def defined(means: list[float], threshold: float) -> str:
    """The verdict by its definition, level by level; the levels are 0, 1, ..., best first as expected."""
    levels = range(len(means))
    beats = {level: [o for o in levels if means[level] - means[o] > threshold] for level in levels}
    as_expected = {level: [o for o in beats[level] if o > level] for level in levels}
    good, bad = any(as_expected.values()), any(o < level for level in levels for o in beats[level])
    if not good or bad:
        return "partly contradicted" if good else "contradicted" if bad else "within the noise"
    everyone = set(levels)
    for one in levels:
        losers = set().union(*as_expected.values())
        if len(means) > 2 and losers == {one} and all(one in as_expected[o] for o in everyone - {one}):
            return f"partly confirmed: only {one} is worse"
        winners = {o for o in levels if as_expected[o]}
        if len(means) > 2 and winners == {one} and set(as_expected[one]) == everyone - {one}:
            return f"partly confirmed: only {one} is better"
    return "confirmed" if len(means) == 2 or (len(losers) > 1 and len(winners) > 1) else "partly confirmed"


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_a_verdict_is_that_of_its_definition(levels):
    draw, seen = np.random.default_rng(levels), set()
    for _ in range(3000):
        ranked = -0.4 * np.arange(levels) * draw.integers(-1, 3)
        means = (ranked + draw.normal(size=levels) * draw.choice([0.1, 0.5, 1])).tolist()
        says, expected = verdict(dict(enumerate(means)), 1.0), defined(means, 1.0)
        if expected == "partly confirmed":  # and neither "only"
            assert "only" not in says and "better than" in says
        else:
            assert says == expected
        seen.add(says.split(":")[0])
    assert len(seen) == (3 if levels == 2 else 5)


def test_what_is_partly_confirmed_names_every_pair_and_no_other():
    draw = np.random.default_rng(0)
    for _ in range(3000):
        means = dict(enumerate((-0.3 * np.arange(5) + 0.3 * draw.normal(size=5)).tolist()))
        says = re.fullmatch(r"partly confirmed: (.+) (?:is|are) better than (.+)", verdict(means, 1.0))
        if says:
            better, worse = ({int(name) for name in re.findall(r"\d", side)} for side in says.groups())
            apart = {(a, b) for a in means for b in means if means[a] - means[b] > 1.0}
            assert apart == {(a, b) for a in better for b in worse}


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
