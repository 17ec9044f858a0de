"""Muon: momentum whose update is made nearly orthogonal, for the matrices of transformer blocks.

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale of the update after
J. Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982. torch.optim.Muon multiplies in bfloat16,
which takes half a second per block on a CPU without bfloat16 instructions; this one stays in float32 and handles equal
shapes together.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def orthogonalize(x: Tensor, steps: int = 5) -> Tensor:
    """x [n, rows, cols] -> n matrices whose singular values lie near 1 (0.7 to 1.2), by a quintic Newton-Schulz
    iteration with Muon's coefficients."""
    turned = x.size(1) > x.size(2)
    x = x.transpose(1, 2) if turned else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if turned else x


class Muon(torch.optim.Optimizer):
    """For 2-D parameters. lr means what it means to AdamW: an update has the root mean square 0.2 * lr.

    A matrix of three times as many rows as columns (a fused q/k/v projection) is taken as three.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(state["momentum"], group["momentum"])  # Nesterov
                pieces = 3 if p.size(0) == 3 * p.size(1) else 1
                for part, target in zip(update.chunk(pieces), p.chunk(pieces)):
                    by_shape.setdefault(part.shape, []).append((part, target))
            for shape, pairs in by_shape.items():
                updates = orthogonalize(torch.stack([part for part, _ in pairs]))
                rms = 0.2 * math.sqrt(max(shape))
                for (_, target), update in zip(pairs, updates):
                    target.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * rms)
