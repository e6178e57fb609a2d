import pytest
import torch

from recognition.base.determinism import generator
from recognition.networks.quick.dropout import Dropout


def layer(p: float, seed: int = 0) -> Dropout:
    dropout = Dropout(p)
    dropout.generator = generator(seed, "test")
    return dropout


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1, 0.9, 0.3])
def test_the_share_kept_and_the_mean_are_right(p):
    n = 1_000_000
    out = layer(p)(torch.ones(n))
    kept = round((1 - p) * 256) / 256
    assert abs(kept - (1 - p)) <= 1 / 512
    share = (out != 0).double().mean().item()
    assert abs(share - kept) < 5 * (kept * (1 - kept) / n) ** 0.5
    assert out.double().mean().item() == pytest.approx(1, abs=5 * ((1 - kept) / kept / n) ** 0.5)
    assert out.unique().tolist() == pytest.approx([0, 1 / kept])


def test_the_eight_values_of_one_draw_are_independent():
    kept = (layer(0.5)(torch.ones(800_000)) != 0).double().view(-1, 8)
    correlation = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlation.abs().max() < 5 / kept.shape[0] ** 0.5


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (9,), (2, 3, 5, 7)])
def test_any_shape_keeps_its_values(shape):
    x = torch.rand(shape) + 1
    out = layer(0.5)(x)
    assert torch.equal(out[out != 0], (2 * x)[out != 0]) and out.shape == x.shape


def test_the_layout_stays():
    x = torch.rand(2, 3, 5, 7).contiguous(memory_format=torch.channels_last)
    assert layer(0.5)(x).stride() == x.stride()


def test_the_gradient_passes_where_the_value_did():
    x = torch.rand(1000, requires_grad=True)
    out = layer(0.25)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, (out / x).detach())


def test_the_same_generator_drops_the_same_and_another_does_not():
    x = torch.ones(1000)
    assert torch.equal(layer(0.5)(x), layer(0.5)(x))
    assert not torch.equal(layer(0.5)(x), layer(0.5, seed=1)(x))


def test_nothing_is_dropped_when_evaluated_or_at_zero():
    x = torch.rand(100)
    assert torch.equal(layer(0.9).eval()(x), x)
    assert torch.equal(layer(0.0)(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_a_probability_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match="dropout probability"):
        Dropout(p)
