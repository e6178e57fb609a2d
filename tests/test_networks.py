import math
from itertools import product

import pytest
import torch
from torch.nn import functional as F
from torchvision.models import mobilenet_v3_large

from recognition import networks
from recognition.base.determinism import generator
from recognition.networks import MnistNet, describe
from recognition.sweep.sizes import size


def build(**arguments):
    return networks.build("MnistNet", arguments, generator(0, "weights"))


def test_mnistnet_has_the_reports_size():
    assert sum(p.numel() for p in MnistNet().parameters()) == 54_840
    assert [(name, *p.shape) for name, p in MnistNet().named_parameters() if name.endswith("weight")] == [
        ("conv1.weight", 10, 1, 5, 5),
        ("conv2.weight", 20, 10, 5, 5),
        ("fc1.weight", 50, 980),
        ("fc2.weight", 10, 50),
    ]


def test_the_layers_and_their_output_sizes_are_those_of_figure_4():
    found = describe.layers(MnistNet())
    assert [(layer.name, layer.shape) for layer in found] == [
        ("input", (1, 28, 28)),
        ("conv1", (10, 28, 28)),
        ("pool1", (10, 14, 14)),
        ("relu1", (10, 14, 14)),
        ("conv2", (20, 14, 14)),
        ("dropout", (20, 14, 14)),
        ("pool2", (20, 7, 7)),
        ("relu2", (20, 7, 7)),
        ("flatten", (980,)),
        ("fc1", (50,)),
        ("relu3", (50,)),
        ("fc2", (10,)),
        ("log_softmax", (10,)),
    ]
    assert sum(layer.parameters for layer in found) == 54_840


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("filters", [5, 90])
def test_every_size_is_derived(kernel_size, filters):
    k2 = kernel_size**2
    by_hand = filters * (k2 + 1) + 20 * (filters * k2 + 1) + 50 * (20 * 7 * 7 + 1) + 3 * 51
    network = build(classes=3, filters=filters, kernel_size=kernel_size)
    assert sum(p.numel() for p in network.parameters()) == by_hand
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 3)


def test_it_computes_what_the_report_prints():
    """An oracle written out in functions: conv, pool, relu, conv, dropout, pool, relu, linear, relu, linear."""
    network = build().eval()
    x, w = torch.randn(4, 1, 28, 28), dict(network.named_parameters())
    y = F.relu(F.max_pool2d(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2), 2))
    y = F.relu(F.max_pool2d(F.conv2d(y, w["conv2.weight"], w["conv2.bias"], padding=2), 2))
    y = F.relu(F.linear(y.flatten(1), w["fc1.weight"], w["fc1.bias"]))
    y = F.log_softmax(F.linear(y, w["fc2.weight"], w["fc2.bias"]), dim=1)
    torch.testing.assert_close(network(x), y)


def test_the_output_is_a_distribution_and_dropout_acts_only_in_training():
    network, x = build(), torch.randn(5, 1, 28, 28)
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))
    assert network(x).exp().sum(1).tolist() == pytest.approx([1] * 5)


def test_the_loss_at_initialisation_is_that_of_a_guess():
    network = build().eval()
    loss = F.nll_loss(network(torch.randn(500, 1, 28, 28)), torch.arange(500) % 10)
    assert loss.item() == pytest.approx(math.log(10), abs=0.05)


def test_weights_come_from_the_generator_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)
    other = networks.build("MnistNet", {}, generator(1, "weights"))
    assert not torch.equal(other.conv1.weight, first["conv1.weight"])


def test_a_new_head_changes_nothing_but_the_last_layer():
    old = networks.build("MnistNet", {"classes": 10, "filters": 4}, generator(0, "weights"))
    arguments = {"classes": 3, "filters": 4}
    new = networks.with_new_head("MnistNet", arguments, old.state_dict(), generator(1, "head"))
    for name, value in new.state_dict().items():
        if name.startswith(networks.HEAD):
            assert len(value) == 3
        else:
            assert torch.equal(value, old.state_dict()[name])
    again = networks.with_new_head("MnistNet", arguments, old.state_dict(), generator(1, "head"))
    assert all(torch.equal(a, b) for a, b in zip(new.parameters(), again.parameters(), strict=True))


GRID = list(product(["MnistNet", "MnistNet2", "MnistNet3"], [2, 3, 4, 5, 6], [5, 10, 20, 50, 90]))


@pytest.mark.parametrize(("architecture", "k", "f"), GRID)
def test_each_of_the_75_networks_is_really_built(architecture, k, f):
    """Parameters and multiplications by hand: the original changed attributes, and trained one network 25 times."""
    network = networks.build(architecture, {"filters": f, "kernel_size": k}, generator(0, "weights"))
    conv1, conv2, conv3, head = k * k * f + f, k * k * f * 20 + 20, k * k * 20 * 30 + 30, 50 * 10 + 10
    parameters, macs = {
        "MnistNet": (
            conv1 + conv2 + 980 * 50 + 50 + head,
            28**2 * k * k * f + 14**2 * k * k * f * 20 + 980 * 50 + 500,
        ),
        "MnistNet2": (
            conv1 + conv2 + conv3 + 270 * 50 + 50 + head,
            28**2 * k * k * f + 14**2 * k * k * f * 20 + 7**2 * k * k * 600 + 270 * 50 + 500,
        ),
        "MnistNet3": (
            conv1 + conv2 + 320 * 50 + 50 + head,
            28**2 * k * k * f + 9**2 * k * k * f * 20 + 320 * 50 + 500,
        ),
    }[architecture]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert describe.macs(network) == macs
    assert size(architecture, k, f, 10) == (parameters, macs)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_75_are_75():
    assert len({size(*key, 10) for key in GRID}) == 75


def test_building_draws_from_its_generator_alone():
    torch.manual_seed(1)
    first = networks.build("MnistNet2", {}, generator(0, "weights")).conv3.weight
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = networks.build("MnistNet2", {}, generator(0, "weights")).conv3.weight
    assert torch.equal(first, second) and torch.equal(before, torch.get_rng_state())


def test_mobilenet_is_torchvisions_with_the_reports_head():
    network = networks.build("MobileNet", {}, generator(0, "weights")).eval()
    theirs = mobilenet_v3_large().eval()
    theirs.features.load_state_dict(network.features.state_dict())
    x = torch.rand(3, 1, 28, 28, generator=generator(0, "x"))
    features = network.backbone()(x)
    expected = theirs.avgpool(theirs.features(x.expand(-1, 3, -1, -1))).flatten(1)
    torch.testing.assert_close(features, expected)
    assert [type(layer).__name__ for layer in network.head()[1:]] == ["BatchNorm1d", "Dropout", "Linear", "LogSoftmax"]
    torch.testing.assert_close(network.head()(features.unsqueeze(1)), network(x))
    torch.testing.assert_close(network(x).exp().sum(1), torch.ones(3))
    assert sum(p.numel() for p in network.head().parameters()) == 2 * 960 + 960 * 10 + 10


def test_mobilenet_takes_larger_pictures():
    network = networks.build("MobileNet", {"image_size": 64}, generator(0, "weights")).eval()
    assert network.channels(torch.zeros(2, 1, 28, 28)).shape == (2, 3, 64, 64)
    assert describe.macs(network) > 3 * describe.macs(networks.build("MobileNet", {}, generator(0, "weights")))
