"""Whether a network knows what it is shown: a character like those that it learned, or a plus, a word, a stain.

A network divides whatever it is given among its classes, and may be sure of it. But pictures of what it has learned lie
near each other in what its linear layers are given. So the doubt about a picture is its cosine distance, there, to the
nearest pictures learned of the class that is read (Y. Sun, Y. Ming, X. Zhu, Y. Li, "Out-of-Distribution Detection with
Deep Nearest Neighbors", 2022). A class's pictures are condensed to a few by spherical k-means (I. Dhillon, D. Modha,
"Concept Decompositions for Large Sparse Text Data Using Clustering", 2001), and pictures of the same kind that were not
learned say how much doubt is usual.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recognition.base import machine
from recognition.base.determinism import generator
from recognition.networks.quick import quicken
from recognition.networks.quick.products import product
from recognition.training import evaluation, scores
from recognition.training.datasets import Normalisation, Split

KEPT = 0.98  # share of pictures of what was learned that is to count as known
PROTOTYPES = 400  # of a class, at most; 200 let 1 in 100 more of other characters pass
ROUNDS = 5  # of k-means; 20 tell no more apart
NEAREST = 2  # prototypes whose mean distance counts: one alone may be of strange pictures, many are never all near
PIECE = 1000  # pictures that a core looks at before it takes others
FURTHEST = 2.0  # the greatest cosine distance there is


class Known(NamedTuple):
    """What a network knows."""

    prototypes: Tensor  # (classes, K, features) int8: directions, the largest value of each 127
    threshold: float  # the greatest doubt about what is known


def learn(network: nn.Module, train: Split, held_out: Split, normalisation: Normalisation, seed: int) -> Known:
    """What a network knows that has learned from `train`, where there is every class, but not from `held_out`."""
    device = next(network.parameters()).device
    counts = torch.bincount(train.labels)
    k = min(PROTOTYPES, int(counts.max()))

    def features_of(pictures: Tensor) -> Tensor:
        return look(network, pictures.to(device), normalisation)[1]

    def condensed(label: int) -> Tensor:
        return condense(features[train.labels == label], k, generator(seed, "prototypes", label))

    with ThreadPoolExecutor(machine.cores() if device.type == "cpu" else 1) as pool:  # a GPU's network is one for all
        features = torch.cat(list(pool.map(features_of, train.pictures.split(PIECE))))
        prototypes = torch.stack(list(pool.map(condensed, range(len(counts)))))
    _, doubts = read(network, held_out.pictures.to(device), normalisation, prototypes)
    return Known(prototypes, threshold(doubts))


def read(
    network: nn.Module, pictures: Tensor, normalisation: Normalisation, prototypes: Tensor
) -> tuple[Tensor, Tensor]:
    """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities, as `evaluation.log_probabilities` has them, and
    the (N,) doubts about the likeliest class."""
    found, features = look(network, pictures, normalisation)
    likeness = product(features, F.normalize(prototypes.flatten(0, 1).to(torch.float32)).T)
    likeness = likeness.unflatten(1, prototypes.shape[:2])
    nearest = likeness.topk(min(NEAREST, likeness.shape[2])).values.mean(2)
    return found, 1 - nearest.gather(1, found.argmax(1, keepdim=True).cpu()).squeeze(1)


def look(network: nn.Module, pictures: Tensor, normalisation: Normalisation) -> tuple[Tensor, Tensor]:
    """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities, and on the processor to (N, features): what each
    linear layer is given, all of the same length, together 1."""
    quick = quicken(network)
    given: dict[nn.Module, list[Tensor]] = {layer: [] for layer in linear(quick)}

    def note(layer: nn.Module, x: tuple[Tensor]) -> None:
        given[layer].append(F.normalize(x[0].flatten(1)).cpu())

    handles = [layer.register_forward_pre_hook(note) for layer in given]
    try:
        found = evaluation.log_probabilities(quick, pictures, normalisation)
    finally:
        for handle in handles:  # on a GPU the quick network is the network itself
            handle.remove()
    return found, torch.cat([torch.cat(parts) for parts in given.values()], dim=1).div_(math.sqrt(len(given)))


def linear(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def size(network: nn.Module) -> int:
    """How many features `look` finds in a picture."""
    return sum(layer.in_features for layer in linear(network))


def condense(features: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """(n, features) of length 1, n > 0, to the (k, features) int8 directions of spherical k-means; repeated if n < k.

    It begins with k of them by chance; one that is nearest to none stays where it is.
    """
    begun = torch.randperm(len(features), generator=generator)[torch.arange(k) % len(features)]
    centres = features[begun]
    for _ in range(ROUNDS):
        nearest = product(features, centres.T).argmax(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, features)
        centres = torch.where(sums.any(1, keepdim=True), F.normalize(sums), centres)
    largest = centres.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return (centres / largest * 127).round().to(torch.int8)


def threshold(doubts: Tensor) -> float:
    """Below which KEPT of further doubts lie, judged by these (n,): FURTHEST for fewer than two.

    By rank, at the upper end of the interval of that share, as those here may have been easy by chance. The greatest of
    few is soon surpassed: so it is no less than the end of Student's prediction interval for one more, taken of the
    cube roots, which are about normal (E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", 1931).
    """
    from scipy.stats import t  # here, as it takes a second and more to import

    n = len(doubts)
    if n < 2:
        return FURTHEST
    _, share = scores.wilson(round(KEPT * n), n)
    by_rank = doubts.sort().values[min(n, math.ceil(share * n)) - 1].item()
    roots = doubts.to(torch.float64).clamp_min(0) ** (1 / 3)
    further = roots.mean().item() + float(t.ppf(KEPT, n - 1)) * roots.std().item() * math.sqrt(1 + 1 / n)
    return round(min(FURTHEST, max(by_rank, further**3)), 4)
