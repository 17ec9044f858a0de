"""Attention of VGGT-1B's heads: vqt's integers beside torch's float32 and bfloat16, errors beside times.

q, k and v are slices of one projection's result, as in a model. "Prologue": LayerNorm and rotary embedding of q and k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import peers, timing

Entry = dict[str, Any]
SHAPES = ((2, 1041), (1, 2082), (8, 1041), (1, 8328))  # sequences (frames, or 1 of all frames), tokens of each
HEADS, SIZE = 16, 64
LABELS = {
    "float32": "torch float32",
    "bfloat16": "torch bfloat16",
    "vqt_int8": "vqt int8",
    "vqt_int8_after_rotary": "vqt int8 after `vqt::rotary`",
    "vqt_int8_prologue": "vqt int8 with prologue",
}
ROWS = 128  # of q, one head, whose error is taken: float64 weights of all would take gigabytes


def projection(sequences: int, tokens: int, seed: int = 0) -> Tensor:
    """[sequences, tokens, 3, HEADS, SIZE], normal."""
    return torch.randn(sequences, tokens, 3, HEADS, SIZE, generator=torch.Generator().manual_seed(seed))


def with_outliers(x: Tensor) -> Tensor:
    """What is hard to quantize: tokens with large q, k or v, channels whose mean is far from 0."""
    x = x.clone()
    x[:, :5, :2] *= 8
    x[:, :5, 2] *= 0.1
    x[:, 7, 2] *= 10
    x[..., 1, :, 3] += 10
    x[..., 1, :, 11] -= 6
    x[..., 2, :, 5] += 3
    return x


def split(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = x.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def errors(x: Tensor) -> dict[str, float]:
    """Relative error (Frobenius) of rows of one head against float64."""
    q, k, v = (t[:1, :1] for t in split(x))
    q = q[:, :, :ROWS]
    exact = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    found = {
        "float32": F.scaled_dot_product_attention(q, k, v),
        "bfloat16": F.scaled_dot_product_attention(q.bfloat16(), k.bfloat16(), v.bfloat16()),
        "vqt_int8": peers.load_ops().attention(q, k, v),
    }
    return {name: ((y.double() - exact).norm() / exact.norm()).item() for name, y in found.items()}


def variants(x: Tensor) -> dict[str, Callable[[int], Any]]:
    vqt = peers.load_ops()
    q, k, v = split(x)
    half = split(x.bfloat16())
    angles = torch.rand(x.size(1), SIZE, generator=torch.Generator().manual_seed(1)) * 6
    weight, bias = torch.ones(SIZE), torch.zeros(SIZE)
    tables = {"cos": angles.cos(), "sin": angles.sin(), "axes": 2, "norm": True}
    norm = {"norm_weight": weight, "norm_bias": bias}
    both = {"q_norm_weight": weight, "q_norm_bias": bias, "k_norm_weight": weight, "k_norm_bias": bias}
    return {
        "float32": lambda _: F.scaled_dot_product_attention(q, k, v),
        "bfloat16": lambda _: F.scaled_dot_product_attention(*half),
        "vqt_int8": lambda _: vqt.attention(q, k, v),
        "vqt_int8_after_rotary": lambda _: vqt.attention(
            vqt.rotary(q, **tables, **norm), vqt.rotary(k, **tables, **norm), v
        ),
        "vqt_int8_prologue": lambda _: vqt.attention(q, k, v, **tables, **both),
    }


def measure(say: Callable[[str], None], shapes: tuple[tuple[int, int], ...] = SHAPES, turns: int = 12) -> list[Entry]:
    """[{sequences, tokens, heads, size, seconds: {variant: s}, errors: {data: {variant: error}}}]"""
    entries = []
    for sequences, tokens in shapes:
        say(f"attention: {sequences} x {tokens} tokens")
        x = projection(sequences, tokens)
        entries.append({
            "sequences": sequences, "tokens": tokens, "heads": HEADS, "size": SIZE,
            "seconds": timing.in_turns(variants(x), turns, seconds=15),
            "errors": {"normal": errors(x), "outliers": errors(with_outliers(x))},
        })  # fmt: skip
    return entries
