"""Depthwise convolutions of small maps against torch's own."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from recognition import networks
from recognition.base.determinism import generator
from recognition.networks.quick import depthwise
from recognition.networks.quick.depthwise import Depthwise


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (4, 4)])
def test_values_and_gradients_are_torchs(shape, size, stride):
    theirs = nn.Conv2d(6, 6, size, stride, padding=size // 2, groups=6, bias=False).double()
    ours = depthwise.replaced(theirs)
    x = torch.randn(5, 6, *shape, dtype=torch.float64, generator=generator(0, shape), requires_grad=True)
    found = [layer(x.contiguous(memory_format=torch.channels_last)) for layer in (ours, theirs)]
    assert torch.allclose(*found, atol=1e-12)
    weighted = [torch.autograd.grad((y * y.detach().cos()).sum(), [x, theirs.weight]) for y in found]
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*weighted, strict=True))


def test_a_network_keeps_its_weights_their_names_and_what_it_says():
    network = networks.build("MobileNet", {}, generator(0, "weights")).eval()
    before = deepcopy(network)
    depthwise.quicken(network)
    assert sum(isinstance(layer, Depthwise) for layer in network.modules()) == 15  # one a block
    assert network.state_dict().keys() == before.state_dict().keys()
    for ours, theirs in zip(network.parameters(), before.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    x = torch.randn(3, 1, 28, 28, generator=generator(0, "pictures"))
    assert torch.allclose(network(x), before(x), atol=1e-5)


@pytest.mark.parametrize(
    "settings", [{"bias": True}, {"padding": 0}, {"dilation": 2}, {"kernel_size": 2}, {"kernel_size": 1, "padding": 0}]
)
def test_others_are_refused(settings):
    layer = nn.Conv2d(4, 4, **{"kernel_size": 3, "padding": 1, "groups": 4, "bias": False} | settings)
    with pytest.raises(ValueError, match="not padded by half"):
        depthwise.replaced(layer)
