"""rotary against the separate torch ops, bit by bit where it has no norm, else against float64."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

ops = torch.ops.vqt
LIBRARY = os.environ.get("VQT_OPS_LIB", str(Path(__file__).resolve().parents[2] / "build" / "lib" / "libvqt_ops.so"))


def turned(x: Tensor, axes: int) -> Tensor:
    parts = x.chunk(2 * axes, dim=-1)
    return torch.cat([p for a, b in zip(parts[::2], parts[1::2], strict=True) for p in (-b, a)], dim=-1)


def composed(x: Tensor, cos: Tensor, sin: Tensor, axes: int) -> Tensor:
    return x * cos + turned(x, axes) * sin


def randn(*sizes: int, seed: int = 1) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(seed + 31 * sum(sizes)))


def table(t: int, d: int) -> tuple[Tensor, Tensor]:
    angles = randn(t, d, seed=7) * 3
    return angles.cos(), angles.sin()


def heads(n: int, t: int, h: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v as a fused projection leaves them: views with the heads of a token side by side."""
    q, k, v = (randn(n, t, 3 * h * d) * 2 + 0.1).reshape(n, t, 3, h, d).permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50])
def test_equals_the_separate_ops(axes: int, parts: int) -> None:
    d = 2 * axes * parts
    cos, sin = table(9, d)
    for x in heads(2, 9, 3, d):
        y = ops.rotary(x, cos, sin, axes=axes)
        assert y.is_contiguous() and y.dtype == x.dtype
        assert torch.equal(y, composed(x, cos, sin, axes))


def test_turns_by_the_angle() -> None:
    # One axis: (x0, x2) by a, (x1, x3) by b. Two axes: (x0, x1) by y, (x2, x3) by x.
    x = torch.tensor([[1.0, 2.0, 3.0, 5.0]])
    a, b = 0.3, -1.1
    angles = torch.tensor([[a, b, a, b]])
    y = ops.rotary(x, angles.cos(), angles.sin())
    turn = lambda p, q, v: torch.view_as_real(torch.complex(torch.tensor(p), torch.tensor(q)) * torch.exp(1j * torch.tensor(v)))  # noqa: E731
    want = torch.stack([turn(1.0, 3.0, a), turn(2.0, 5.0, b)], dim=1).flatten()
    assert torch.allclose(y[0], want, atol=1e-6)
    angles = torch.tensor([[a, a, b, b]])
    y = ops.rotary(x, angles.cos(), angles.sin(), axes=2)
    assert torch.allclose(y[0], torch.cat([turn(1.0, 2.0, a), turn(3.0, 5.0, b)]), atol=1e-6)


@pytest.mark.parametrize("with_weight, with_bias", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("d", [4, 12, 28, 32, 36, 60, 64, 68, 128, 200])
def test_norm(d: int, with_weight: bool, with_bias: bool) -> None:
    cos, sin = table(64, d)
    weight = randn(d) + 1 if with_weight else None
    bias = randn(d, seed=3) if with_bias else None
    q = heads(2, 64, 3, d)[0]
    y = ops.rotary(q, cos, sin, axes=2, norm=True, norm_weight=weight, norm_bias=bias, norm_eps=1e-3)
    exact = F.layer_norm(
        q.double(), [d], None if weight is None else weight.double(), None if bias is None else bias.double(), 1e-3
    )
    want = composed(exact, cos.double(), sin.double(), 2)
    error, torch_error = y - want, composed(F.layer_norm(q, [d], weight, bias, 1e-3), cos, sin, 2) - want
    assert error.abs().max() <= 4e-7 * want.abs().max()
    assert error.square().mean() <= 1.05 * torch_error.square().mean()


def test_norm_of_rows_far_from_zero() -> None:
    """The mean is subtracted before anything is squared: an offset of 10,000 costs what float32 lost in x."""
    x = randn(1, 2, 50, 64) + 1e4
    cos, sin = torch.ones(50, 64), torch.zeros(50, 64)
    want = F.layer_norm(x.double(), [64], eps=1e-5)
    error = (ops.rotary(x, cos, sin, norm=True) - want).abs().max()
    assert error <= 2e-6
    assert error <= (F.layer_norm(x, [64], eps=1e-5) - want).abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(dtype: torch.dtype) -> None:
    cos, sin = table(9, 64)
    weight, bias = (randn(64) + 1).to(dtype), randn(64, seed=2).to(dtype)
    q = heads(2, 9, 3, 64)[0].to(dtype)
    for norm in ({}, {"norm": True, "norm_weight": weight, "norm_bias": bias}):
        y = ops.rotary(q, cos, sin, axes=2, **norm)
        wide = {k: v.float() if isinstance(v, Tensor) else v for k, v in norm.items()}
        assert torch.equal(y, ops.rotary(q.float(), cos, sin, axes=2, **wide).to(dtype))
    half_table = ops.rotary(q, cos.to(dtype), sin.to(dtype))
    assert torch.equal(half_table, composed(q.float(), cos.to(dtype).float(), sin.to(dtype).float(), 1).to(dtype))


@pytest.mark.parametrize("leading", [(), (0,), (3,), (2, 3), (2, 0, 3), (2, 1, 3, 2)], ids=str)
def test_leading_dimensions(leading: tuple[int, ...]) -> None:
    cos, sin = table(5, 12)
    x = randn(*leading, 5, 12)
    y = ops.rotary(x, cos, sin, axes=2)
    assert y.shape == x.shape
    assert torch.equal(y, composed(x, cos, sin, 2))


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (3, 1, 0, 2, 4), (4, 3, 2, 1, 0), (0, 4, 1, 2, 3)], ids=str)
def test_any_strides(order: tuple[int, ...]) -> None:
    sizes = [2, 3, 4, 5, 8]
    back = sorted(range(5), key=order.__getitem__)
    x = randn(*(sizes[i] for i in order)).permute(back)
    assert list(x.shape) == sizes
    cos, sin = table(8, 5)
    y = ops.rotary(x, cos.t(), sin.t())
    assert torch.equal(y, composed(x, cos.t(), sin.t(), 1))
    assert torch.equal(ops.rotary(x[:, :, ::2, 1:], cos.t()[1:], sin.t()[1:]), y[:, :, ::2, 1:])


@pytest.mark.parametrize(
    "shape", [(), (1,), (8,), (5, 1), (1, 8), (1, 1), (3, 1, 1), (3, 5, 8), (2, 1, 5, 8), (2, 3, 1, 8), (2, 3, 5, 8)], ids=str
)
def test_tables_are_broadcast(shape: tuple[int, ...]) -> None:
    x = randn(2, 3, 5, 8)
    cos, sin = randn(*shape), randn(*shape, seed=9)
    assert torch.equal(ops.rotary(x, cos, sin, axes=2), composed(x, cos, sin, 2))
    full = cos.expand(x.shape)  # one of each: the tables need not have one shape
    assert torch.equal(ops.rotary(x, full, sin, axes=2), composed(x, cos, sin, 2))


def test_tables_that_are_slices_of_one() -> None:
    rope = randn(2, 9, 64)
    q = heads(2, 9, 3, 64)[1]
    assert torch.equal(ops.rotary(q, rope[0], rope[1], axes=2), composed(q, rope[0], rope[1], 2))


def test_nan_and_inf_stay_in_their_row() -> None:
    x = randn(2, 3, 5, 8)
    cos, sin = table(5, 8)
    good = ops.rotary(x, cos, sin, norm=True)
    x[1, 2, 3, 4], x[0, 0, 1, 0] = float("nan"), float("inf")
    y = ops.rotary(x, cos, sin, norm=True)
    assert y[1, 2, 3].isnan().all() and y[0, 0, 1].isnan().all()
    rest = torch.ones(2, 3, 5, dtype=torch.bool)
    rest[1, 2, 3] = rest[0, 0, 1] = False
    assert torch.equal(y[rest], good[rest])


def test_threads_and_batch_do_not_change_a_bit() -> None:
    cos, sin = table(197, 64)
    weight, bias = randn(64) + 1, randn(64, seed=2)
    q = heads(3, 197, 16, 64)[0]
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(ops.rotary(q, cos, sin, axes=2, norm=True, norm_weight=weight, norm_bias=bias))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], r) for r in results[1:])
    alone = ops.rotary(q[1:2, 3:4, 100:101], cos[100:101], sin[100:101], axes=2, norm=True, norm_weight=weight, norm_bias=bias)
    assert torch.equal(alone, results[0][1:2, 3:4, 100:101])


def test_every_instruction_set_gives_the_same_bits() -> None:
    script = f"""
import torch, hashlib
torch.ops.load_library({LIBRARY!r})
torch.manual_seed(0)
x, cos, sin = torch.randn(2, 7, 3, 60).transpose(1, 2), torch.randn(7, 60), torch.randn(7, 60)
y = torch.ops.vqt.rotary(x, cos, sin, axes=2, norm=True, norm_weight=torch.randn(60))
print(hashlib.sha256(y.numpy().tobytes()).hexdigest())
"""
    run = lambda isa: subprocess.run(  # noqa: E731
        [sys.executable, "-c", script], env={**os.environ, "VQT_ISA": isa}, capture_output=True, text=True
    )
    got = [r.stdout for r in map(run, ("ref", "avx2", "avxvnni", "avx512vnni")) if r.returncode == 0]
    assert got and got[0] and len(set(got)) == 1


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (5, 8), (2, 0, 5, 8)], ids=str)
def test_opcheck(shape: tuple[int, ...], norm: bool) -> None:
    cos, sin = table(5, 8)
    more = {"norm": norm, "axes": 2}
    if norm:
        more |= {"norm_weight": randn(8), "norm_bias": randn(8)}
    torch.library.opcheck(ops.rotary.default, (randn(*shape), cos, sin), more)
    torch.library.opcheck(ops.rotary.default, (randn(*shape).bfloat16(), cos, sin), more)
    if len(shape) == 4:
        torch.library.opcheck(ops.rotary.default, (randn(2, 5, 3, 8).transpose(1, 2), cos, sin), more)


def test_scripts_and_compiles() -> None:
    def attention_input(x: Tensor, rope: Tensor) -> Tensor:
        q, k = x.transpose(-2, -3), x.flip(0).transpose(-2, -3)
        q = torch.ops.vqt.rotary(q, rope[0], rope[1], axes=2, norm=True)
        return q * torch.ops.vqt.rotary(k, rope[0], rope[1])

    x, rope = randn(2, 5, 3, 8), randn(2, 5, 8)
    want = attention_input(x, rope)
    assert torch.equal(torch.jit.script(attention_input)(x, rope), want)
    compiled = torch.compile(attention_input, backend="aot_eager", dynamic=True, fullgraph=True)
    for t in (5, 7):
        x, rope = randn(2, t, 3, 8), randn(2, t, 8)
        assert torch.equal(compiled(x, rope), attention_input(x, rope))


def test_inputs_that_require_grad() -> None:
    x = randn(2, 5, 8).requires_grad_()
    cos, sin = table(5, 8)
    assert torch.equal(ops.rotary(x, cos, sin, norm=True), ops.rotary(x.detach(), cos, sin, norm=True))


X, TABLE = torch.ones(2, 5, 6), torch.ones(5, 6)
ERRORS = [
    (TypeError, (X.bool(), TABLE, TABLE), {}, r"x: expected a dtype that has a sign, got bool \[2, 5, 6\]"),
    (ValueError, (X[0, 0, 0], TABLE, TABLE), {}, r"x: expected at least 1 dimension, \[..., T, D\], got float32 \[\]"),
    (ValueError, (X, TABLE, TABLE), {"axes": 3}, r"axes: expected 1 or 2, got 3"),
    (
        ValueError,
        (X, TABLE, TABLE),
        {"axes": 2},
        r"x: expected a last dimension that chunk\(4\) cuts into 4 parts with axes=2, got float32 \[2, 5, 6\]",
    ),
    (
        ValueError,
        (X[..., :1], TABLE[:, :1], TABLE[:, :1]),
        {},
        r"x: expected a last dimension that chunk\(2\) cuts into 2 parts with axes=1, got float32 \[2, 5, 1\]",
    ),
    (
        ValueError,
        (X, TABLE[:4], TABLE),
        {},
        r"cos: expected \[5, 6\], x's last two, or what broadcasts with \[2, 5, 6\], got float32 \[4, 6\]",
    ),
    (ValueError, (X, TABLE, TABLE[:, :3]), {}, r"sin: expected \[5, 6\], .* got float32 \[5, 3\]"),
    (ValueError, (X[..., :4], TABLE[:, :4], TABLE[:, :4]), {"axes": 2, "halves": True}, r"halves: expected false with axes=2, got true"),
    (ValueError, (X, TABLE, TABLE), {"norm_weight": X[0, 0]}, r"norm_weight: expected None without norm, got float32 \[6\]"),
    (
        ValueError,
        (X, TABLE, TABLE),
        {"norm": True, "norm_weight": torch.ones(5)},
        r"norm_weight: expected \[6\], x's last size, got float32 \[5\]",
    ),
    (
        ValueError,
        (X, TABLE, TABLE),
        {"norm": True, "norm_bias": torch.ones(1, 6)},
        r"norm_bias: expected \[6\], x's last size, got float32 \[1, 6\]",
    ),
    (ValueError, (X, TABLE, TABLE), {"norm": True, "norm_eps": -1.0}, r"norm_eps: expected 0 or more, got -1"),
]


@pytest.mark.parametrize(("kind", "args", "more", "text"), ERRORS, ids=[e[3][:24] for e in ERRORS])
def test_errors(kind: type[Exception], args: tuple, more: dict, text: str) -> None:
    with pytest.raises(kind, match="^vqt::rotary: " + text):
        ops.rotary(*args, **more)
    with pytest.raises(kind, match="^vqt::rotary: " + text):  # the same words while tracing
        ops.rotary(*(a.to("meta") for a in args), **{k: v.to("meta") if isinstance(v, Tensor) else v for k, v in more.items()})
