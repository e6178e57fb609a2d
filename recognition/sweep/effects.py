"""What the dimensions of a sweep do to the accuracy, and which of it exceeds the noise."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, NamedTuple

from scipy.stats import studentized_range

CONFIDENCE = 0.95


class Hypothesis(NamedTuple):
    """What is expected of a dimension before anything is computed."""

    words: str
    rank: Callable[[Any], int]  # sorts levels, the one expected to be best first


HYPOTHESES = {
    "architecture": Hypothesis(
        "a third convolution gains, a mean over 3×3 loses", ["MnistNet2", "MnistNet", "MnistNet3"].index
    ),
    "kernel_size": Hypothesis("a larger kernel sees more, and gains", lambda size: -size),
    "filters": Hypothesis("more filters describe more, and gain", lambda filters: -filters),
}


class Noise(NamedTuple):
    """How far the accuracy of one and the same network spreads over seeds."""

    seeds: int
    deviation: float  # nan for fewer than two seeds

    def threshold(self, levels: int, cells: int) -> float:
        """The difference between two of `levels` means, each over `cells` networks, that chance exceeds in 5 % of
        sweeps: J. W. Tukey's honestly significant difference, the deviation known from the seeds alone."""
        quantile = studentized_range.ppf(CONFIDENCE, levels, self.seeds - 1) if self.seeds > 1 else math.nan
        return float(quantile * self.deviation / math.sqrt(cells))

    def facts(self) -> dict[str, int | float | None]:
        """As a metrics file holds it."""
        return {"seeds": self.seeds, "held_out_sd": rounded(self.deviation)}

    @classmethod
    def of(cls, facts: dict) -> "Noise":
        """From a metrics file."""
        return cls(facts["seeds"], number(facts["held_out_sd"]))


class Effect(NamedTuple):
    """One dimension of a sweep."""

    means: dict[object, float]  # accuracy by level, over all else
    spread: float  # the best mean less the worst
    threshold: float  # what chance alone reaches in 5 % of sweeps
    verdict: str


def rounded(value: float) -> float | None:
    """For JSON, which has no nan."""
    return None if math.isnan(value) else round(value, 6)


def number(value: float | None) -> float:
    """What `rounded` has made null is nan again."""
    return math.nan if value is None else value


def noise(accuracies: Sequence[float]) -> Noise:
    return Noise(len(accuracies), stdev(accuracies) if len(accuracies) > 1 else math.nan)


def effect(levels: Sequence, accuracies: Sequence[float], noise: Noise, hypothesis: Hypothesis) -> Effect:
    """The effect of a dimension of a full grid, from the level and the accuracy of every network."""
    order = sorted(set(levels), key=hypothesis.rank)
    means = {level: fmean(a for own, a in zip(levels, accuracies, strict=True) if own == level) for level in order}
    threshold = noise.threshold(len(order), len(levels) // len(order)) if len(order) > 1 else math.nan
    spread = max(means.values()) - min(means.values())
    return Effect(means, spread, threshold, verdict(means, threshold))


def verdict(means: Mapping[Any, float], threshold: float) -> str:
    """On a hypothesis whose levels have these means, the one expected to be best first."""
    if math.isnan(threshold):
        return "not asked" if len(means) < 2 else "noise not measured"
    pairs = list(combinations(means, 2))
    as_expected = [(better, worse) for better, worse in pairs if means[better] - means[worse] > threshold]
    if any(means[worse] - means[better] > threshold for better, worse in pairs):
        return "partly contradicted" if as_expected else "contradicted"
    if not as_expected:
        return "within the noise"
    better, worse = (set(own) for own in zip(*as_expected, strict=True))
    if len(means) > 2 and len(worse) == 1:
        return f"partly confirmed: only {worse.pop()} is worse"
    if len(means) > 2 and len(better) == 1:
        return f"partly confirmed: only {better.pop()} is better"
    return "confirmed"


def enough(accuracies: dict[int, float], threshold: float) -> int | None:
    """The least number after which no greater one is better by more than chance; None where the noise is not known."""
    if math.isnan(threshold):
        return None
    return min(n for n, own in accuracies.items() if all(a <= own + threshold for m, a in accuracies.items() if m > n))


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """The Pareto front: the places of those that nothing as cheap or cheaper equals or exceeds, the cheapest first."""
    found, best = [], -math.inf
    for place in sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i])):
        if accuracies[place] > best:
            best = accuracies[place]
            found.append(place)
    return found
