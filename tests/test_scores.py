import math
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest

from recognition.training import scores

NORMAL_95 = NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_the_published_intervals(correct, n, low, high):
    assert scores.wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_solves_its_defining_equation():
    """The bounds are the shares p from which the observed one is exactly 1.96 standard deviations away."""
    for correct, n in [(9940, 10000), (39, 40), (1, 3)]:
        for p in scores.wilson(correct, n):
            assert abs(correct / n - p) == pytest.approx(NORMAL_95 * math.sqrt(p * (1 - p) / n))


@pytest.mark.parametrize("n", [1, 3, 12, 9943])
def test_none_and_all_have_exact_ends(n):
    assert scores.wilson(0, n)[0] == 0.0
    assert scores.wilson(n, n)[1] == 1.0


def test_more_right_than_trials_is_an_error():
    with pytest.raises(ValueError, match="k"):
        scores.wilson(3, 2)


def test_scores_load_scipy_only_where_an_interval_is_asked_for():
    program = "import sys, recognition.training.scores; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_trials_say_nothing():
    assert scores.wilson(0, 0) == (0, 1)
    assert scores.accuracy(0, 0) == {"n": 0}


def test_wilson_is_symmetric_and_holds_the_share():
    for n in (1, 5, 1000):
        for correct in range(0, n + 1, max(1, n // 10)):
            low, high = scores.wilson(correct, n)
            assert 0 <= low <= correct / n <= high <= 1
            assert scores.wilson(n - correct, n) == pytest.approx((1 - high, 1 - low))


def test_confusion_counts_true_rows_and_predicted_columns():
    labels, predictions = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    assert scores.confusion(labels, predictions, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
