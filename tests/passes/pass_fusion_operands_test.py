"""A fused model takes whatever tensors the same model takes with `fusions: none`: random dtypes and shapes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import vqt
from pass_check import flatten
from torch import Tensor, nn

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int32, torch.uint8,
          torch.bool, torch.complex64]
MODEL_DTYPES = [torch.float32, torch.bfloat16]
D = 16


def operand(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    values = torch.randn(shape) * 3
    return values.abs().to(dtype) if dtype == torch.uint8 else values.to(dtype)


def broadcastable(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes that broadcast with these: fewer dimensions, sizes of 1, or more dimensions; now and then not at all."""
    cut = random.randint(0, len(sizes))
    shape = [1 if random.random() < 0.3 else n for n in sizes[cut:]]
    if cut == 0 and random.random() < 0.3:
        shape = [random.randint(1, 3), *shape]
    if shape and random.random() < 0.1:
        shape[random.randrange(len(shape))] = 5
    return tuple(shape)


def leading() -> tuple[int, ...]:
    return random.choice([(), (1,), (3,), (2, 3), (2, 1, 3), (0, 3)])


class Residual(nn.Module):
    def __init__(self, first: bool, scaled: bool, act: bool) -> None:
        super().__init__()
        self.fc, self.gamma = nn.Linear(D, 12), nn.Parameter(torch.rand(12) + 0.5)
        self.first, self.scaled, self.act = first, scaled, act

    def forward(self, x: Tensor, r: Tensor) -> Tensor:
        y = self.fc(x)
        if self.act:
            y = F.gelu(y)
        if self.scaled:
            y = y * self.gamma
        return r + y if self.first else y + r


class Rotary(nn.Module):
    __constants__ = ["cut", "cast"]

    def __init__(self, cut: str, cast: str, norm: bool) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(D, D), nn.LayerNorm(8) if norm else nn.Identity()
        self.cut, self.cast = cut, cast

    def turned(self, x: Tensor) -> Tensor:
        if self.cut == "slices":
            return torch.cat((-x[..., x.shape[-1] // 2 :], x[..., : x.shape[-1] // 2]), dim=-1)
        if self.cut == "halves":
            a, b = x.chunk(2, dim=-1)
            return torch.cat((-b, a), dim=-1)
        a, b, c, d = x.chunk(4, dim=-1)
        return torch.cat((-b, a, -d, c), dim=-1)

    def forward(self, x: Tensor, heads: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        v = self.norm(heads)
        y = v * cos + self.turned(v) * sin
        if self.cast == "to":
            y = y.to(v.dtype)
        if self.cast == "type_as":
            y = y.type_as(v)
        return y, self.fc(x)


class Normed(nn.Module):
    def __init__(self, affine: bool) -> None:
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(D, elementwise_affine=affine), nn.Linear(D, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(x))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(D, 12), nn.Linear(D, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.q(x), self.k(x)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(D, 13), nn.Linear(13, 12)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x)))


def residual_case(dtype: torch.dtype) -> tuple[Tensor, ...]:
    lead = leading()
    return operand((*lead, D), dtype), operand(broadcastable((*lead, 12)), random.choice(DTYPES))


def rotary_case(dtype: torch.dtype) -> tuple[Tensor, ...]:
    lead = leading()
    d = random.choice([8, 8, 8, 4, 6, 7, 3])
    heads = operand((*lead, d), dtype if random.random() < 0.6 else random.choice(DTYPES))
    tables = [operand(broadcastable((*lead, d)), random.choice(DTYPES)) for _ in range(2)]
    if random.random() < 0.5:
        tables[1] = operand(tables[0].shape, tables[0].dtype)
    return operand((D,), dtype), heads, *tables


def plain_case(dtype: torch.dtype) -> tuple[Tensor, ...]:
    width = D if random.random() < 0.8 else random.randint(9, 24)  # a mismatch has to stay one
    return (operand((*leading(), width), dtype if random.random() < 0.8 else random.choice(DTYPES)),)


def mixed_norm(model: nn.Module) -> nn.Module:
    """float32 norms in a model of another dtype: torch takes them."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.float()
    return model


FLAGS = [False, True]
MODELS: dict[str, tuple[str, Callable[[], nn.Module], Callable[[torch.dtype], tuple[Tensor, ...]]]] = {
    **{f"residual-{first}-{scaled}-{act}": ("residual", lambda f=first, s=scaled, a=act: Residual(f, s, a), residual_case)
       for first in FLAGS for scaled in FLAGS for act in FLAGS},
    **{f"rotary-{cut}-{cast}-{norm}": ("rotary", lambda c=cut, t=cast, n=norm: Rotary(c, t, n), rotary_case)
       for cut in ("slices", "halves", "quarters") for cast in ("none", "to", "type_as") for norm in FLAGS},
    **{f"layer_norm-{affine}": ("layer_norm", lambda a=affine: Normed(a), plain_case) for affine in FLAGS},
    "shared_input": ("shared_input", Shared, plain_case),
    "activation": ("activation", Mlp, plain_case),
    "static_output": ("static_output", Mlp, plain_case),
}


def outcome(model: torch.jit.ScriptModule, arguments: tuple[Tensor, ...]) -> list[Tensor] | None:
    try:
        return flatten(model(*arguments))
    except Exception:  # noqa: BLE001  whatever torch refuses
        return None


def check_close(got: Tensor, want: Tensor, text: str) -> None:
    assert got.dtype == want.dtype and got.shape == want.shape, f"{text}: {got.dtype} {list(got.shape)}"
    assert torch.equal(got.isnan(), want.isnan()), text
    wide = torch.complex128 if want.is_complex() else torch.float64
    # uint8 wraps: 255 and 0 are neighbours
    difference = (got.to(wide) - want.to(wide)).nan_to_num(0).abs()
    if want.dtype == torch.uint8:
        difference = torch.minimum(difference, 256 - difference)
    limit = 1.01 if not want.is_floating_point() and not want.is_complex() else 0.0
    scale = want.to(wide).nan_to_num(0).abs().max() if want.numel() else 0.0
    assert (difference <= limit + 0.02 * scale + 1e-3).all(), f"{text}: {difference.max()} of {scale}"


@pytest.mark.parametrize("dtype", MODEL_DTYPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_any_operands(name: str, dtype: torch.dtype) -> None:
    fusion, make, case = MODELS[name]
    model = make().eval().to(dtype)
    if random.random() < 0.5:
        model = mixed_norm(model)
    module = torch.jit.script(model)
    config = {"skip_first_last": False, "activation": "static" if fusion == "static_output" else "dynamic"}
    samples = [(torch.randn(9, D).to(dtype),)] if fusion == "static_output" else None
    with torch.no_grad():
        plain = vqt.quantize(module, {**config, "fusions": ["none"]}, calibration=samples)
        fused = vqt.quantize(module, {**config, "fusions": ["all"]}, calibration=samples)
        assert vqt.report(fused).fusions_made[fusion] >= 1
        ran = 0
        for _ in range(80):
            arguments = case(dtype)
            text = "; ".join(f"{str(a.dtype)[6:]} {list(a.shape)}" for a in arguments)
            want = outcome(plain, arguments)
            if want is None:
                if case is plain_case and arguments[0].shape[-1] != D:
                    assert outcome(fused, arguments) is None, f"{text}: expected an error, as without fusions"
                continue
            for g, w in zip(flatten(fused(*arguments)), want, strict=True):
                check_close(g, w, text)
            ran += 1
        assert ran >= 10
