"""What a network knows: the distance to what it learned, and how far is too far."""

import math
import threading

import pytest
import torch
from scipy import stats
from torch import nn

from recognition import networks
from recognition.base.determinism import generator
from recognition.training import doubt, evaluation, scores
from recognition.training.datasets import Normalisation, Split

SCALE = Normalisation(0.13, 0.31)


def build(name: str = "MnistNet", **arguments) -> nn.Module:
    return networks.build(name, {"classes": 4, **arguments}, generator(0, "weights")).eval()


def bars(n: int, seed: int) -> Split:
    """Four classes: a bar as wide as the picture in one of its quarters, with noise."""
    draws = generator(seed, "bars")
    pictures = torch.randint(0, 30, (n, 28, 28), generator=draws, dtype=torch.uint8)
    labels = torch.arange(n) % 4
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        picture[7 * label + 1 : 7 * label + 5, 2:26] += 200
    return Split(pictures, labels)


@pytest.fixture(scope="module")
def learned() -> tuple[nn.Module, doubt.Known]:
    """A network whose last layer alone is made for the four bars: each class's is its mean among the features."""
    network, train = build(), bars(200, seed=0)
    given = []
    network.fc2.register_forward_pre_hook(lambda layer, x: given.append(x[0]))
    evaluation.log_probabilities(network, train.pictures, SCALE)
    network(SCALE(train.pictures.unsqueeze(1)))
    means = torch.stack([given[-1][train.labels == label].mean(0) for label in range(4)]).detach()
    network.fc2.weight.data = 1000 * (means - means.mean(0))
    network.fc2.bias.data = -(network.fc2.weight * (means + means.mean(0)) / 2).sum(1)
    return network, doubt.learn(network, train, bars(100, seed=1), SCALE, seed=0)


def test_what_was_learned_is_known_and_what_was_not_is_not(learned):
    network, known = learned
    test = bars(400, seed=2)
    found, doubts = doubt.read(network, test.pictures, SCALE, known.prototypes)
    assert torch.equal(found.argmax(1), test.labels)
    assert (doubts <= known.threshold).float().mean() > 0.96
    upright = test.pictures.transpose(1, 2)
    found, doubts = doubt.read(network, upright, SCALE, known.prototypes)
    assert found.exp().amax(1).mean() > 0.9 and not (doubts <= known.threshold).any()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("MnistNet", {"filters": 7}), ("MnistNet2", {}), ("MnistNet3", {"kernel_size": 2}), ("MobileNet", {})],
)
def test_features_are_what_the_linear_layers_are_given_and_the_probabilities_those_of_evaluation(name, arguments):
    network, pictures = build(name, **arguments), bars(12, seed=0).pictures
    found, features = doubt.look(network, pictures, SCALE)
    assert torch.equal(found, evaluation.log_probabilities(network, pictures, SCALE))
    assert features.shape == (12, doubt.size(network))

    x, given = SCALE(pictures.unsqueeze(1)), []
    for layer in network:  # plain torch
        if isinstance(layer, nn.Linear):
            given.append(x / x.norm(dim=1, keepdim=True))
        x = layer(x)
    assert torch.allclose(features, torch.cat(given, dim=1) / len(given) ** 0.5, atol=1e-5)
    assert torch.allclose(features.norm(dim=1), torch.ones(12))
    assert all(not layer._forward_pre_hooks for layer in network.modules())


@pytest.mark.parametrize("k", [1, 3])
def test_the_doubt_is_the_mean_cosine_distance_to_the_nearest_two_of_the_class_that_is_read(k):
    network, pictures = build(), bars(12, seed=0).pictures
    _, features = doubt.look(network, pictures, SCALE)
    prototypes = torch.randint(0, 128, (4, k, features.shape[1]), generator=generator(0, "any"), dtype=torch.int8)
    found, doubts = doubt.read(network, pictures, SCALE, prototypes)
    for feature, read, own in zip(features, found.argmax(1), doubts, strict=True):
        cosines = nn.functional.cosine_similarity(prototypes[read].float(), feature.unsqueeze(0))
        assert own.item() == pytest.approx(1 - cosines.sort().values[-2:].mean().item(), abs=1e-5)


def test_a_picture_that_is_a_prototype_is_not_in_doubt():
    """As many prototypes as pictures: each is one, but for eight bits of rounding."""
    network, train = build(), bars(40, seed=0)
    prototypes, _ = doubt.learn(network, train, train, SCALE, seed=0)
    assert prototypes.shape == (4, 10, doubt.size(network)) and prototypes.dtype == torch.int8
    _, features = doubt.look(network, train.pictures, SCALE)
    directions = nn.functional.normalize(prototypes.flatten(0, 1).float())
    assert (features @ directions.T).amax(1).min() > 0.9995


def test_on_several_cores_the_same_is_learned_as_on_one(monkeypatch):
    network, train, held_out = build(), bars(210, seed=0), bars(50, seed=1)
    found, look = [], doubt.look
    monkeypatch.setattr(doubt, "PIECE", 70)
    for cores in 1, 3:
        meet = threading.Barrier(cores)

        def at_once(network, pictures, scale, meet=meet):
            if len(pictures) == 70:
                meet.wait(timeout=60)
            return look(network, pictures, scale)

        monkeypatch.setattr(doubt, "look", at_once)
        monkeypatch.setattr(doubt.machine, "cores", lambda cores=cores: cores)
        found.append(doubt.learn(network, train, held_out, SCALE, seed=0))
    assert torch.equal(found[0].prototypes, found[1].prototypes) and found[0].threshold == found[1].threshold


def test_k_means_finds_what_lies_together_and_repeats_what_is_few():
    draws = generator(0, "points")
    centres = nn.functional.normalize(torch.randn(3, 50, generator=draws))
    noise = 0.05 * torch.randn(300, 50, generator=draws)
    points = nn.functional.normalize(centres.repeat(100, 1) + noise)
    found = nn.functional.normalize(doubt.condense(points, 12, generator(0, "k")).float())
    assert (found @ centres.T).amax(1).min() > 0.95  # every prototype is near a centre
    assert (found @ centres.T).amax(0).min() > 0.98  # every centre has one
    few = doubt.condense(points[:2], 5, generator(0, "k"))
    assert len(few) == 5 and len(few.unique(dim=0)) == 2 and (few.abs().amax(1) == 127).all()
    assert torch.equal(few, doubt.condense(points[:2], 5, generator(0, "k")))
    assert not doubt.condense(torch.zeros(3, 50), 2, generator(0, "k")).any()  # a network that is silent


@pytest.mark.parametrize("n", [2, 6, 80, 1000, 20000])
def test_the_threshold_keeps_what_it_promises_of_further_doubts(n):
    """Squared distances, as of points in some dimensions: the share of new ones below is 98 % and at most a bit more
    for many; for few it is no less than Student's interval has, in the mean of many tries."""
    kept, tries = [], max(4, min(100, 2000 // n))
    for k in range(tries):
        doubts = torch.from_numpy(stats.chi2(10).rvs(n, random_state=k)) / 100
        kept.append(stats.chi2(10).cdf(100 * doubt.threshold(doubts)))
    assert 0.98 - 2e-3 - 0.3 / math.sqrt(n * tries) < sum(kept) / tries
    assert n < 1000 or sum(kept) / tries < 0.993


@pytest.mark.parametrize("n", [0, 1])
def test_without_anything_to_judge_by_everything_is_known(n):
    train = bars(8, seed=0)
    assert doubt.learn(build(), train, train[:n], SCALE, seed=0).threshold == doubt.FURTHEST


def test_the_threshold_is_one_of_the_greatest_and_never_beyond_the_furthest():
    _, share = scores.wilson(4900, 5000)
    doubts = torch.cat([torch.full((4500,), 0.1), torch.linspace(0.2, 0.6, 500)])
    assert doubt.threshold(doubts.flip(0)) == pytest.approx(doubts[math.ceil(5000 * share) - 1].item(), abs=1e-4)
    assert doubt.threshold(torch.tensor([0.001, 1.9])) == doubt.FURTHEST
    assert doubt.threshold(torch.full((50,), 0.25)) == 0.25
