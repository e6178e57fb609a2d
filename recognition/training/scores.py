"""Scores that say how sure they are."""

from collections.abc import Sequence

import numpy as np


def wilson(correct: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `correct` in `n` trials (E. B. Wilson, 1927), both ends 0 to 1; (0, 1) for no
    trials. Raises ValueError where `correct` is not between 0 and n.

    Unlike the textbook's normal interval it is right for few trials and for shares near 0 and 1.
    """
    from scipy.stats import binomtest  # here, as it takes a second and more to import

    if n == 0:
        return 0.0, 1.0
    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def accuracy(correct: int, n: int) -> dict[str, int | float]:
    """n, and where n > 0 the accuracy (0 to 1) with its 95 % Wilson interval, as a metrics file holds them."""
    if n == 0:
        return {"n": 0}
    low, high = wilson(correct, n)
    return {"n": n, "accuracy": round(correct / n, 6), "accuracy_low": round(low, 6), "accuracy_high": round(high, 6)}


def test(loss: float, share: float, n: int) -> dict[str, int | float]:
    """A mean loss (nats) and an accuracy (`share`, 0 to 1) on a test set of n > 0 pictures, as a metrics file holds
    them, the accuracy with its 95 % Wilson interval."""
    found = accuracy(round(share * n), n)
    return {"test_loss": round(loss, 6), "n": n} | {f"test_{key}": found[key] for key in list(found)[1:]}


def confusion(labels: Sequence[int] | np.ndarray, predictions: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64 counts: row the true class, column the predicted one. Raises IndexError for a class
    beyond `classes`."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(labels, dtype=int), np.asarray(predictions, dtype=int)), 1)
    return counts
