"""Muon: its updates are orthogonal, its state is whole."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from recognition.base.determinism import generator
from recognition.training.optimizers import Muon, optimizer, orthogonalised


@pytest.mark.parametrize("shape", [(20, 25), (20, 500), (50, 980), (30, 5), (7, 7), (1, 9)])
def test_an_orthogonalised_matrix_has_the_singular_vectors_of_the_former_and_values_near_one(shape):
    x = torch.randn(shape, generator=generator(0, "x"))
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    values = u.T @ orthogonalised(x) @ v.T
    assert values.diagonal().min() > 0.6 and values.diagonal().max() < 1.3
    torch.testing.assert_close(values, values.diagonal().diag(), atol=1e-4, rtol=0)


def test_no_gradient_is_no_update():
    assert torch.equal(orthogonalised(torch.zeros(3, 5)), torch.zeros(3, 5))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 5), nn.Linear(5, 2))


def descend(net: nn.Module, steps: int, chosen: torch.optim.Optimizer) -> None:
    x, target = torch.randn(8, 1, 4, 4, generator=generator(0, "x")), torch.arange(8) % 2
    for _ in range(steps):
        chosen.zero_grad()
        nn.functional.cross_entropy(net(x), target).backward()
        chosen.step()


def of(net: nn.Module, name: str = "muon") -> torch.optim.Optimizer:
    return optimizer(name, list(net.parameters()), learning_rate=0.02, momentum=0.9, weight_decay=0.0)


def test_a_step_moves_a_matrix_by_the_same_root_mean_square_whatever_its_gradient():
    for scale in (1.0, 1000.0):
        net = network()
        before = net[2].weight.detach().clone()
        for parameter in net.parameters():
            parameter.grad = scale * torch.randn(parameter.shape, generator=generator(1, "gradient"))
        of(net).step()
        moved = (net[2].weight - before).pow(2).mean().sqrt().item()
        assert moved == pytest.approx(0.02 * 0.2, rel=0.3)


def test_the_head_and_the_vectors_are_adamws():
    ours, theirs = network(), network()
    for net, chosen in (ours, of(ours)), (theirs, of(theirs, "adamw")):
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        chosen.step()
    for name, same in {"0.weight": False, "2.weight": False, "0.bias": True, "2.bias": True, "3.weight": True}.items():
        assert torch.equal(ours.get_parameter(name), theirs.get_parameter(name)) == same, name


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
def test_it_learns_and_goes_on_from_its_state(name):
    net, copy = network(), network()
    first = of(net, name)
    descend(net, 5, first)
    copy.load_state_dict(net.state_dict())
    second = of(copy, name)
    second.load_state_dict(deepcopy(first.state_dict()))  # which would share its tensors
    descend(net, 30, first)
    descend(copy, 30, second)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), copy.parameters(), strict=True))
    x, target = torch.randn(8, 1, 4, 4, generator=generator(0, "x")), torch.arange(8) % 2
    assert nn.functional.cross_entropy(net(x), target) < 0.5 * nn.functional.cross_entropy(network()(x), target)


def test_a_head_alone_can_be_trained():
    net = network()
    chosen = Muon([net[3].weight, net[3].bias], 0.02, 0.9, 0.0)
    before = net[0].weight.detach().clone()
    descend(net, 2, chosen)
    assert torch.equal(net[0].weight, before) and not torch.equal(net[3].weight, network()[3].weight)


def test_another_name_is_an_error():
    with pytest.raises(ValueError, match="none of sgd, adamw, muon"):
        of(network(), "adam")
