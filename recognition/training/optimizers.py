"""How gradients change weights: torch's SGD and AdamW, and Muon, which learns more from one epoch than either."""

import torch
from torch import Tensor, nn

from recognition.networks.quick.products import addmm, product

# Coefficients of the fifth-degree polynomial x -> ax + bx³ + cx⁵ that five times over takes every x from 0.002 to 1
# into 0.7-1.2, which serves as well as 1 and is reached sooner (K. Jordan, "Muon", 2024); smaller ones grow 480-fold.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
RMS = 0.2  # of AdamW's usual update: J. Liu et al., "Muon is Scalable for LLM Training", 2025


def optimizer(
    name: str, parameters: list[nn.Parameter], learning_rate: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """`name` is sgd (with Nesterov momentum), adamw or muon; for adamw, momentum is the first moment's decay."""
    settings = {"lr": learning_rate, "weight_decay": weight_decay, "fused": True}
    match name:
        case "sgd":
            return torch.optim.SGD(parameters, momentum=momentum, nesterov=momentum > 0, **settings)
        case "adamw":
            return torch.optim.AdamW(parameters, betas=(momentum, 0.999), **settings)
        case "muon":
            return Muon(parameters, learning_rate, momentum, weight_decay)
    raise ValueError(f"{name} is none of sgd, adamw, muon")


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose matrices are orthogonalised: every direction of a weight matrix learns at the same rate.

    K. Jordan et al., 2024; torch.optim.Muon is the same for linear layers alone, in bfloat16. Here a convolution's
    weight counts as the matrix (outputs, all else). Vectors and the last matrix, the head, are AdamW's, as its authors
    advise; J. Liu's scale lets both share learning rate and weight decay.
    """

    def __init__(
        self, parameters: list[nn.Parameter], learning_rate: float, momentum: float, weight_decay: float
    ) -> None:
        matrices = [parameter for parameter in parameters if parameter.dim() > 1][:-1]
        own = set(map(id, matrices))
        rest = [parameter for parameter in parameters if id(parameter) not in own]
        super().__init__([{"params": matrices}], {"lr": learning_rate})
        self.momentum, self.weight_decay = momentum, weight_decay
        self.others = torch.optim.AdamW(
            rest, learning_rate, betas=(momentum, 0.999), weight_decay=weight_decay, fused=True
        )

    @torch.no_grad()
    def step(self) -> None:
        rate = self.param_groups[0]["lr"]
        for matrix in self.param_groups[0]["params"]:
            state = self.state[matrix]
            mean = state["momentum"] = state["momentum"] if state else torch.zeros_like(matrix)
            mean.mul_(self.momentum).add_(matrix.grad)
            update = orthogonalised(matrix.grad.add(mean, alpha=self.momentum).flatten(1))
            scale = RMS * max(update.shape) ** 0.5  # an orthogonal matrix's RMS is one over that root
            matrix.mul_(1 - rate * self.weight_decay).add_(update.view(matrix.shape), alpha=-rate * scale)
        self.others.param_groups[0]["lr"] = rate
        self.others.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        self.others.zero_grad(set_to_none)

    def state_dict(self) -> dict:
        return {"muon": super().state_dict(), "adamw": self.others.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state["muon"])
        self.others.load_state_dict(state["adamw"])


def orthogonalised(x: Tensor) -> Tensor:
    """The nearest matrix with all singular values 1, or nearly: U V' of x = U S V', by Newton and Schulz's iteration.

    (rows, columns) of any size; no decomposition, products alone. The iteration is x -> Q x with a polynomial Q of
    x x': all of it runs on that small square matrix, and x itself is multiplied once, in the end.
    """
    a, b, c = NEWTON_SCHULZ
    wide = x if len(x) <= x.shape[1] else x.T
    wide = wide / wide.norm().clamp_min(1e-7)
    gram = product(wide, wide.T)
    identity, whole = torch.eye(len(wide), device=x.device), None
    for left in reversed(range(ITERATIONS)):
        factor = addmm(gram, gram, gram, beta=b, alpha=c)  # Q less its a
        whole = factor.add(identity, alpha=a) if whole is None else addmm(whole, factor, whole, beta=a)
        if left:
            half = addmm(gram, factor, gram, beta=a)
            gram = addmm(half, half, factor, beta=a)
    assert whole is not None
    wide = product(whole, wide)
    return wide if len(x) <= x.shape[1] else wide.T
