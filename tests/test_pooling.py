"""A convolution and its pooling in one go: the same values and gradients as one after the other."""

import pytest
import torch
from torch import nn

from recognition import networks
from recognition.base.determinism import generator
from recognition.networks.quick import pooling
from recognition.networks.quick.pooling import convolve_and_pool

POOLS = {"max": nn.MaxPool2d(2), "mean": nn.AvgPool2d(3)}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("filters", [1, 5, 10, 20])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 6])
def test_values_and_gradients_are_the_same(pool, filters, kernel_size, monkeypatch):
    monkeypatch.setattr(pooling, "CACHED", 2 * 4 * filters * 14**2)  # two pictures a piece, the last one alone
    convolution = nn.Conv2d(1, filters, kernel_size, padding="same")
    x = torch.randn(3, 1, 28, 28, generator=generator(0, "x"))
    found = []
    for y in POOLS[pool](convolution(x)), convolve_and_pool(x, convolution, POOLS[pool]):
        weight = torch.randn(y.shape, generator=generator(0, "y"))
        found.append((y, *torch.autograd.grad((y * weight).sum(), [convolution.weight, convolution.bias])))
    for separate, together in zip(*found, strict=True):
        torch.testing.assert_close(together, separate, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["MnistNet", "MnistNet2", "MnistNet3"])
def test_a_network_in_training_computes_what_it_does_in_evaluation(architecture, monkeypatch):
    network = networks.build(architecture, {"filters": 5, "dropout": 0.0}, generator(0, "weights"))
    x, asked = torch.rand(4, 1, 28, 28, generator=generator(0, "x")), []
    monkeypatch.setattr(networks, "convolve_and_pool", lambda *a: (asked.append(a), convolve_and_pool(*a))[1])
    torch.testing.assert_close(network.train()(x), network.eval()(x))
    assert len(asked) == 1
