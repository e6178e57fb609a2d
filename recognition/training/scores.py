"""Scores that say how sure they are."""

import math
from collections.abc import Sequence

import numpy as np

NORMAL_95 = 1.959963984540054  # the standard normal's 97.5 % quantile


def wilson(correct: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `correct` in `n` trials (E. B. Wilson, 1927); (0, 1) for no trials.

    Unlike the textbook's normal interval it is right for few trials and for shares near 0 and 1.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = correct / n, NORMAL_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (centre - half if correct else 0.0), (centre + half if correct < n else 1.0)  # the ends without rounding


def accuracy(correct: int, n: int) -> dict[str, int | float]:
    """n, and where n > 0 the accuracy with its 95 % Wilson interval, as a metrics file holds them."""
    if n == 0:
        return {"n": 0}
    low, high = wilson(correct, n)
    return {"n": n, "accuracy": round(correct / n, 6), "accuracy_low": round(low, 6), "accuracy_high": round(high, 6)}


def test(loss: float, share: float, n: int) -> dict[str, int | float]:
    """A loss and an accuracy on a test set of n > 0 pictures, as a metrics file holds them."""
    found = accuracy(round(share * n), n)
    return {"test_loss": round(loss, 6), "n": n} | {f"test_{key}": found[key] for key in list(found)[1:]}


def confusion(labels: Sequence[int] | np.ndarray, predictions: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: row the true class, column the predicted one."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(labels, dtype=int), np.asarray(predictions, dtype=int)), 1)
    return counts
