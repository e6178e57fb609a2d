"""Quickened networks against plain ones: the same values and gradients but for rounding, and the same weights."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from recognition import networks
from recognition.base.determinism import generator
from recognition.networks import quick
from recognition.networks.quick import convolution, products
from recognition.networks.quick.convolution import MaxOfConvolution, MeanOfConvolution
from recognition.networks.quick.depthwise import Depthwise, is_depthwise
from recognition.networks.quick.linear import Linear, LinearOfMaps
from recognition.networks.quick.products import product

LAST = torch.channels_last


def gradients(layer: nn.Module, x: torch.Tensor, parameters: list) -> list[torch.Tensor]:
    """A layer's values, and the gradients of a weighted sum of them with regard to `parameters`."""
    y = layer(x)
    weight = torch.randn(y.shape, generator=generator(0, "y"), dtype=y.dtype)
    return [y, *torch.autograd.grad((y * weight).sum(), parameters)]


def same(found: list, expected: list, **tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("kernel_size", [2, 5])
@pytest.mark.parametrize("architecture", ["MnistNet", "MnistNet2", "MnistNet3"])
def test_a_network_trains_as_the_plain_one(architecture, kernel_size, dropout):
    """All values and gradients; with dropout, of the same values dropped."""
    arguments = {"filters": 5, "kernel_size": kernel_size, "dropout": dropout}
    plain = networks.build(architecture, arguments, generator(0, "weights")).train()
    quickened = quick.quicken(plain)
    quick.draw_dropout_from(quickened, generator(0, "dropout"))
    x = torch.rand(6, 1, 28, 28, generator=generator(0, "x"))
    found = gradients(quickened, x, list(plain.parameters()))
    [layer] = quick.dropouts(quickened)
    drawn = deepcopy(layer).train()
    drawn.generator = generator(0, "dropout")
    plain.dropout.forward = drawn.forward
    same(found, gradients(plain, x, list(plain.parameters())), atol=1e-4, rtol=1e-4)


def test_mobilenet_trains_as_the_plain_one():
    plain = networks.build("MobileNet", {"dropout": 0.0}, generator(0, "weights")).train()
    quickened, x = quick.quicken(plain), torch.rand(16, 1, 28, 28, generator=generator(0, "x"))
    found = [gradients(network, x, list(network.parameters())) for network in (quickened, plain)]
    same(*found, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("name", networks.ARCHITECTURES)
def test_a_network_reads_as_the_plain_one(name):
    plain = networks.build(name, {}, generator(0, "weights")).eval()
    x = torch.rand(5, 1, 28, 28, generator=generator(0, "x"))
    with torch.no_grad():
        torch.testing.assert_close(quick.quicken(plain)(x), plain(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", networks.ARCHITECTURES)
def test_weights_and_buffers_are_the_networks_own_and_so_are_their_names(name):
    plain = networks.build(name, {}, generator(0, "weights"))
    printed, quickened = str(plain), quick.quicken(plain)
    ours, theirs = quickened.state_dict(keep_vars=True), plain.state_dict(keep_vars=True)
    assert list(ours) == list(theirs) and all(ours[key] is theirs[key] for key in ours)
    assert str(plain) == printed != str(quickened)  # the plain one stays what the report prints
    assert quick.quicken(quickened) is quickened
    kinds = {type(layer) for layer in quickened.modules()}
    swapped = {Depthwise, Linear} if name == "MobileNet" else {LinearOfMaps, Linear}
    assert swapped | {quick.Dropout} <= kinds and nn.Dropout not in kinds
    first = {"MnistNet3": MeanOfConvolution, "MobileNet": nn.Conv2d}.get(name, MaxOfConvolution)
    assert first in kinds


def test_another_device_gets_the_plain_network():
    with torch.device("meta"):
        network = networks.ARCHITECTURES["MnistNet"]()
    assert quick.quicken(network) is network


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(3)])
@pytest.mark.parametrize("filters", [1, 5, 20])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 6])
def test_a_convolution_and_its_pooling_in_one_go(pool, filters, kernel_size, monkeypatch):
    monkeypatch.setattr(convolution, "CACHED", 2 * 4 * filters * 14**2)  # two pictures a piece, the last one alone
    plain = nn.Sequential(nn.Conv2d(1, filters, kernel_size, padding="same"), pool)
    x = torch.randn(3, 1, 28, 28, generator=generator(0, "x"))
    found = [gradients(net, x, list(plain.parameters())) for net in (quick.quicken(plain), plain)]
    same(*found, atol=1e-3, rtol=1e-4)


def test_the_gradient_of_a_tie_goes_where_torchs_goes():
    """Pictures of one grey: all four values are the same."""
    plain = nn.Sequential(nn.Conv2d(1, 3, 3, padding="same"), nn.MaxPool2d(2))
    x = torch.ones(2, 1, 28, 28)
    found = [gradients(net, x, list(plain.parameters())) for net in (quick.quicken(plain), plain)]
    same(*found, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_kernels_in_corners_and_back(k):
    """One is the transpose of the other: <in_corners(w), g> = <w, from_corners(g)>."""
    w = torch.randn(3, 1, k, k, dtype=torch.float64, generator=generator(0, "w"))
    g = torch.randn(12, 1, k + 1, k + 1, dtype=torch.float64, generator=generator(0, "g"))
    columns = g.permute(3, 2, 1, 0).reshape((k + 1) ** 2, 12)
    left, right = (convolution.in_corners(w) * columns).sum(), (w * convolution.from_corners(g)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 2), (2, 1), (1, 3), (4, 4)])
def test_depthwise_convolutions(shape, size, stride):
    theirs = nn.Conv2d(6, 6, size, stride, padding=size // 2, groups=6, bias=False).double()
    x = torch.randn(5, 6, *shape, dtype=torch.float64, generator=generator(0, shape), requires_grad=True)
    found = [
        gradients(layer, x.contiguous(memory_format=LAST), [x, theirs.weight])
        for layer in (quick.alone(theirs), theirs)
    ]
    assert is_depthwise(theirs)
    same(*found, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    "settings", [{"bias": True}, {"padding": 0}, {"dilation": 2}, {"kernel_size": 2}, {"kernel_size": 1, "padding": 0}]
)
def test_convolutions_of_another_kind_stay(settings):
    layer = nn.Conv2d(4, 4, **{"kernel_size": 3, "padding": 1, "groups": 4, "bias": False} | settings)
    assert quick.alone(layer) is layer


CONVOLUTION = {"in_channels": 1, "out_channels": 4, "kernel_size": 3, "padding": "same"}
STRANGERS = [
    *(
        (nn.Conv2d(**CONVOLUTION | settings), nn.MaxPool2d(2))
        for settings in (
            {"dilation": 2},
            {"padding_mode": "reflect"},
            {"bias": False},
            {"kernel_size": (3, 5)},
            {"in_channels": 2},
            {"padding": 1, "stride": 2},
        )
    ),
    *(
        (nn.Conv2d(**CONVOLUTION), pool)
        for pool in (
            nn.MaxPool2d(2, stride=1),
            nn.MaxPool2d(3),
            nn.MaxPool2d(2, padding=1),
            nn.MaxPool2d(2, dilation=2),
            nn.AvgPool2d(3, stride=2),
            nn.AvgPool2d(3, padding=1),
            nn.AvgPool2d(3, ceil_mode=True),
            nn.AvgPool2d(3, divisor_override=2),
        )
    ),
    (nn.Flatten(2), nn.Linear(784, 3)),
]


@pytest.mark.parametrize("layers", STRANGERS, ids=str)
def test_neighbours_of_another_kind_compute_the_same(layers):
    """Whatever quicken makes of them."""
    plain = nn.Sequential(*layers)
    x = torch.rand(2, plain[0].in_channels if isinstance(plain[0], nn.Conv2d) else 1, 28, 28)
    torch.testing.assert_close(quick.quicken(plain)(x), plain(x), atol=1e-5, rtol=1e-4)


def test_pictures_that_want_a_gradient_are_refused():
    quickened = quick.quicken(networks.build("MnistNet", {}, generator(0, "weights")))
    with pytest.raises(RuntimeError, match="pictures get no gradient"):
        quickened(torch.rand(1, 1, 28, 28, requires_grad=True))


@pytest.mark.parametrize("shape", [(7, 20, 6, 6), (7, 20, 1, 1), (7, 40)])
def test_linear_layers_in_the_order_of_maps(shape):
    x = torch.randn(shape, generator=generator(0, "x"))
    x = (x.contiguous(memory_format=LAST) if len(shape) == 4 else x).requires_grad_()
    plain = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 9))
    wanted = [x, *plain.parameters()]
    found = [gradients(net, x, wanted) for net in (quick.quicken(plain), plain)]
    same(*found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("small", [0, products.SMALL])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 980, 50), (400, 36, 40), (1, 300, 2), (2, 1, 9)])
def test_products_of_any_strides(shape, small, monkeypatch):
    monkeypatch.setattr(products, "SMALL", small)
    m, k, n = shape
    a = torch.randn(m, k, generator=generator(0, "a"))
    b = torch.randn(k, n, generator=generator(0, "b"))
    wanted = (a.double() @ b.double()).float()
    for left in (a, a.T.contiguous().T, a.repeat(1, 2)[:, :k], a.repeat(2, 1)[::2] if m == 1 else a):
        for right in (b, b.T.contiguous().T, b.repeat(1, 2)[:, :n]):
            torch.testing.assert_close(product(left, right), wanted, atol=1e-4, rtol=1e-4)
