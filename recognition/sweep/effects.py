"""What the dimensions of a sweep do to the accuracy, and which of it exceeds the noise.

Accuracies are shares, 0 to 1, all on the same held-out pictures. The noise is the spread over seeds on these pictures,
so every threshold and every verdict is about these pictures: that they are a sample, and that others would add a spread
of their own, is left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import fmean, variance
from typing import Any, NamedTuple

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
    """How far the accuracy of one and the same network spreads over seeds, on the same held-out pictures."""

    seeds: int
    deviation: float  # nan for fewer than two seeds
    trainings: int = 1  # each under all the seeds, whose deviation it is in common

    def threshold(self, levels: int, cells: int) -> float:
        """The difference between two of `levels` means, each over `cells` networks, that chance exceeds in 5 % of
        sweeps on these pictures: J. W. Tukey's honestly significant difference, the deviation known from the seeds
        alone. nan for fewer than two seeds."""
        from scipy.stats import studentized_range  # here, as it takes a second and more to import

        freedom = self.trainings * (self.seeds - 1)
        quantile = studentized_range.ppf(CONFIDENCE, levels, freedom) if freedom else math.nan
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
    threshold: float  # what chance alone reaches in 5 % of sweeps on these pictures
    verdict: str


def rounded(value: float) -> float | None:
    """For JSON, which has no nan."""
    return None if math.isnan(value) else round(value, 6)


def number(value: float | None) -> float:
    """What `rounded` has made null is nan again."""
    return math.nan if value is None else value


def noise(*trainings: Sequence[float]) -> Noise:
    """From the accuracies of one network, in one training or in several, under several seeds, the same for each, on
    the same held-out pictures."""
    n = len(trainings[0])
    deviation = math.sqrt(fmean(map(variance, trainings))) if n > 1 else math.nan
    return Noise(n, deviation, len(trainings))


def effect(levels: Sequence, accuracies: Sequence[float], noise: Noise, hypothesis: Hypothesis) -> Effect:
    """The effect of a dimension of a full grid on these pictures, from the level and the accuracy of every network.
    Raises ValueError where there is no network, or not as many levels as accuracies."""
    order = sorted(set(levels), key=hypothesis.rank)
    means = {level: fmean(a for own, a in zip(levels, accuracies, strict=True) if own == level) for level in order}
    threshold = noise.threshold(len(order), len(levels) // len(order)) if len(order) > 1 else math.nan
    spread = max(means.values()) - min(means.values())
    return Effect(means, spread, threshold, verdict(means, threshold))


def verdict(means: Mapping[Any, float], threshold: float) -> str:
    """On a hypothesis whose levels have these mean accuracies, the one expected to be best first. It holds on these
    pictures.

    Two levels differ where their means do by more than `threshold`. Contradicted: some differ, and none as expected;
    partly contradicted: some do as expected and some the other way round. Confirmed: there are only two levels, or
    more than one is better than another and more than one is worse. Otherwise it is confirmed in part and says of whom.
    """
    if math.isnan(threshold):
        return "not asked" if len(means) < 2 else "noise not measured"
    pairs = list(combinations(means, 2))
    as_expected = [(better, worse) for better, worse in pairs if means[better] - means[worse] > threshold]
    if any(means[worse] - means[better] > threshold for better, worse in pairs):
        return "partly contradicted" if as_expected else "contradicted"
    if not as_expected:
        return "within the noise"
    better, worse = (list(dict.fromkeys(own)) for own in zip(*as_expected, strict=True))
    if len(means) == 2 or (len(better) > 1 and len(worse) > 1):
        return "confirmed"
    others = len(means) - 1
    if len(better) == others:
        return f"partly confirmed: only {worse[0]} is worse"
    if len(worse) == others:
        return f"partly confirmed: only {better[0]} is better"
    return f"partly confirmed: {listed(better)} {'is' if len(better) == 1 else 'are'} better than {listed(worse)}"


def listed(names: Sequence[object]) -> str:
    """For a sentence: "5", "5 and 4", "5, 4 and 3"."""
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last


def enough(accuracies: dict[int, float], threshold: float) -> int | None:
    """The least number of epochs after which no greater one is better by more than chance on these pictures, from the
    accuracy by number; None where the noise is not known (`threshold` is nan). Raises ValueError for no numbers."""
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
