"""Operands that no kernel reads: the ops do what torch's mul, add and cat do with them, with and without data."""

import random

import pytest
import qref
import torch
from linear_case import Weight
from torch import Tensor

ops = torch.ops.vqt
S = qref.Scheme
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.int16, torch.bool, torch.complex64]
X_DTYPES = [torch.float32, torch.bfloat16, torch.float16]
LEADING = [(), (1,), (3,), (2, 3), (2, 1, 3), (1, 0, 3)]


def operand(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return (torch.randn(shape) * 3).to(dtype)


def broadcastable(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Fewer dimensions, sizes of 1, or more dimensions."""
    cut = random.randint(0, len(sizes))
    shape = [1 if random.random() < 0.3 else n for n in sizes[cut:]]
    return (random.randint(1, 3), *shape) if cut == 0 and random.random() < 0.3 else tuple(shape)


def check(got: Tensor, want: Tensor, meta: Tensor, x_dtype: torch.dtype, text: str) -> None:
    for result in (got, meta):
        assert result.dtype == want.dtype and result.shape == want.shape, f"{text}: {result.dtype} {list(result.shape)}"
    wide = torch.complex128 if want.is_complex() else torch.float64
    scale = want.to(wide).abs().max() if want.numel() else 0.0
    # the separate ops round between the steps, to x's dtype
    unit = max({torch.bfloat16: 4e-2, torch.float16: 8e-3}.get(dtype, 1e-5) for dtype in (want.dtype, x_dtype))
    assert ((got.to(wide) - want.to(wide)).abs() <= unit * (scale + 1)).all(), text


def on_meta(value: object) -> object:
    return value.to("meta") if isinstance(value, Tensor) else value


@pytest.mark.parametrize("x_dtype", X_DTYPES, ids=str)
@pytest.mark.parametrize("mode", [dict(), dict(activation="none")], ids=str)
@pytest.mark.parametrize("scheme", [S(8, True), S(4, False, "group", 32), S(8, False, "group", 5)], ids=str)
def test_gamma_and_residual(scheme: S, mode: dict, x_dtype: torch.dtype) -> None:
    w = Weight(20, 64, scheme)
    for _ in range(60):
        lead = random.choice(LEADING)
        x = operand((*lead, 64), x_dtype)
        fused, want = dict(mode), w.linear(x.float(), w.bias, **mode)
        if random.random() < 0.5:
            fused["post_op"], want = "relu", want.relu()
        want = want.to(x_dtype)
        if random.random() < 0.7:
            fused["gamma"] = operand(random.choice([(20,), (20,), (1,), (), (2, 1, 20) if 0 not in lead else (1, 20)]), random.choice(DTYPES))
            want = want * fused["gamma"]
        if random.random() < 0.8:
            fused["residual"] = operand(broadcastable((*want.shape[:-1], 20)), random.choice(DTYPES))
            want = fused["residual"] + want
        text = f"{list(x.shape)} " + str({k: (v.dtype, list(v.shape)) if isinstance(v, Tensor) else v for k, v in fused.items()})
        got = w.linear(x, w.bias, **fused)
        meta = w.op(x.to("meta"), w.packed.to("meta"), w.bias.to("meta"), **{k: on_meta(v) for k, v in fused.items()})
        check(got, want, meta, x.dtype, text)


def test_a_wide_gamma_before_a_quantized_result() -> None:
    w = Weight(20, 64, S())
    x, gamma = torch.randn(3, 64), torch.rand(2, 1, 20)
    got = w.linear(x, w.bias, gamma=gamma, y_scale=0.05, y_zero_point=7)
    want = ops.quantize_activation(w.linear(x, w.bias) * gamma, activation="static", x_scale=0.05, x_zero_point=7)
    read = lambda q: ops.linear_int8(q, torch.eye(20, dtype=torch.int8), None, torch.ones(1))  # noqa: E731
    assert got.shape == want.shape and torch.equal(read(got), read(want))
    empty = w.linear(x[:0], w.bias, y_scale=0.05)
    assert empty.shape == ops.quantize_activation(torch.empty(0, 20)).shape


def rotated(v: Tensor, axes: int, halves: bool) -> Tensor:
    d = v.shape[-1]
    parts = (v[..., : d // 2], v[..., d // 2 :]) if halves else v.chunk(2 * axes, dim=-1)
    return torch.cat([p for a, b in zip(parts[::2], parts[1::2], strict=True) for p in (-b, a)], dim=-1)


@pytest.mark.parametrize("promote", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_rotary(norm: bool, promote: bool) -> None:
    for _ in range(150):
        axes = random.choice([1, 2])
        halves = axes == 1 and random.random() < 0.5
        d = random.choice([8, 8, 4, 7, *([6, 5] if axes == 1 else [])])
        x = operand((*random.choice(LEADING), d), random.choice(X_DTYPES if norm else [t for t in DTYPES if t != torch.bool]))
        cos, sin = (operand(broadcastable(tuple(x.shape)), random.choice(DTYPES[:-1])) for _ in range(2))
        more = {"axes": axes, "norm": norm, "promote": promote, "halves": halves}
        v = x
        if norm:
            more["norm_weight"], more["norm_bias"] = torch.rand(d).to(x.dtype), torch.rand(d).to(x.dtype)
            v = torch.layer_norm(x, [d], more["norm_weight"], more["norm_bias"], 1e-5)
        want = v * cos + rotated(v, axes, halves) * sin
        if not promote:
            want = want.to(x.dtype)
        text = f"{x.dtype} {list(x.shape)} cos {cos.dtype} {list(cos.shape)} sin {sin.dtype} {list(sin.shape)} {more}"
        got = ops.rotary(x, cos, sin, **more)
        meta = ops.rotary(x.to("meta"), cos.to("meta"), sin.to("meta"), **{k: on_meta(v) for k, v in more.items()})
        check(got, want, meta, x.dtype, text)


def test_opcheck() -> None:
    w, x = Weight(20, 64, S()), torch.randn(3, 64)
    for fused in (dict(gamma=torch.rand(2, 1, 20).double()), dict(residual=torch.ones(3, 20, dtype=torch.int64)),
                  dict(residual=torch.tensor(1.5, dtype=torch.float64)), dict(gamma=torch.tensor(2), residual=torch.rand(2, 3, 1))):
        torch.library.opcheck(w.op.default, (x, w.packed, w.bias), fused)
    for x, table in [(torch.randn(8), torch.randn(5, 8)), (torch.randn(2, 3, 7), torch.randn(3, 7).double())]:
        torch.library.opcheck(ops.rotary.default, (x, table, table), dict(promote=True, halves=True))
