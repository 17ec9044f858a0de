"""attention against attention in float64, against itself in other parts, and with vqt::rotary before it."""

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


def randn(*sizes: int, seed: int = 1) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(seed + 31 * sum(sizes)))


def heads(b: int, t: int, h: int, d: int) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v as a fused projection leaves them: views with the heads of a token side by side."""
    q, k, v = randn(b, t, 3, h, d).permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def exact(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    return F.scaled_dot_product_attention(q.double(), k.double(), v.double(), scale=scale)


def error(y: Tensor, want: Tensor) -> float:
    return ((y.double() - want).norm() / want.norm()).item()


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (2, 0), (0, 2), (2, 1, 3), (2, 3, 1, 4)], ids=str)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (7, 7), (5, 9), (9, 5), (0, 4)], ids=str)
def test_the_heads_of_a_token_are_side_by_side(leading: tuple[int, ...], m: int, n: int) -> None:
    q, k, v = randn(*leading, m, 32), randn(*leading, n, 32, seed=2), randn(*leading, n, 32, seed=3)
    y = ops.attention(q, k, v)
    assert y.shape == q.shape
    tokens = y.transpose(-3, -2) if leading else y
    assert tokens.is_contiguous()
    assert y.numel() == 0 or error(y, exact(q, k, v)) < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_dtypes(dtype: torch.dtype) -> None:
    q, k, v = (x.to(dtype) for x in heads(2, 9, 3, 32))
    y = ops.attention(q, k, v)
    assert y.dtype == dtype
    assert error(y, exact(q, k, v)) < 0.02


def test_without_keys_the_result_is_zero() -> None:
    y = ops.attention(randn(2, 3, 5, 32), randn(2, 3, 0, 32), randn(2, 3, 0, 32))
    assert torch.equal(y, torch.zeros(2, 3, 5, 32))


@pytest.mark.parametrize("d", [32, 64, 80, 96, 128])
def test_errors_are_those_of_integers(d: int) -> None:
    q, k, v = heads(2, 521, 3, d)
    got = error(ops.attention(q, k, v), exact(q, k, v))
    assert 0.008 < got < 0.015  # above: worse than the definition; below: torch's op ran
    k[:, :, :, 3] += 30  # what all keys have in common, and all values
    v[:, :, :, 5] += 30
    want = exact(q, k, v)
    mean = torch.zeros(d).index_fill(0, torch.tensor(5), 30.0)
    assert error(ops.attention(q, k, v) - mean, want - mean) < 0.016


def test_a_token_with_large_values() -> None:
    q, k, v = heads(1, 521, 3, 64)
    v[:, :, 77] *= 10
    assert error(ops.attention(q, k, v), exact(q, k, v)) < 0.02  # one scale for all tokens: 0.043


def test_threads_batch_and_strides_do_not_change_a_bit() -> None:
    q, k, v = heads(3, 197, 5, 64)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5, 7):
            torch.set_num_threads(threads)
            results.append(ops.attention(q, k, v))
    finally:
        torch.set_num_threads(before)
    want = results[0]
    assert all(torch.equal(want, y) for y in results[1:])
    for b in range(3):
        assert torch.equal(ops.attention(q[b : b + 1], k[b : b + 1], v[b : b + 1]), want[b : b + 1])
    assert torch.equal(ops.attention(q[1, 2], k[1, 2], v[1, 2]), want[1, 2])  # one head
    assert torch.equal(ops.attention(q[:, :, 50:73], k, v), want[:, :, 50:73])  # rows of q
    dense = ops.attention(q.contiguous(), k.contiguous(), v.contiguous())
    assert torch.equal(dense, want)
    turned = [x.transpose(-1, -2).contiguous().transpose(-1, -2) for x in (q, k, v)]  # rows are not dense
    assert torch.equal(ops.attention(*turned), want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(dtype: torch.dtype) -> None:
    q, k, v = (x.to(dtype) for x in heads(2, 40, 3, 64))
    y = ops.attention(q, k, v)
    assert torch.equal(y, ops.attention(q.float(), k.float(), v.float()).to(dtype))
    assert y.transpose(1, 2).is_contiguous()


# Head sizes, value sizes and scales that the kernel does not take.
@pytest.mark.parametrize(("d", "dv", "scale"), [(136, 136, None), (64, 32, None), (32, 64, None), (64, 64, -0.1)])
def test_what_the_kernel_does_not_take_is_torchs(d: int, dv: int, scale: float | None) -> None:
    q, k, v = randn(2, 3, 9, d), randn(2, 3, 11, d, seed=2), randn(2, 3, 11, dv, seed=3)
    y = ops.attention(q, k, v, scale=scale)
    assert y.transpose(1, 2).is_contiguous()
    assert torch.allclose(y, F.scaled_dot_product_attention(q, k, v, scale=scale), atol=1e-6)


def test_nan_and_inf_stay_where_they_belong() -> None:
    q, k, v = heads(2, 40, 3, 64)
    good = ops.attention(q, k, v)
    q[1, 2, 3, 4] = float("nan")
    k[0, 1, 5, 6] = float("inf")
    v[1, 1, 7, 8] = -float("inf")
    y = ops.attention(q, k, v)
    bad = torch.zeros_like(good, dtype=torch.bool)
    bad[1, 2, 3] = bad[0, 1] = bad[1, 1, :, 8] = True
    assert y[bad].isnan().all()
    assert torch.equal(y[~bad], good[~bad])


def test_every_instruction_set_gives_the_same_bits() -> None:
    script = f"""
import torch, hashlib
torch.ops.load_library({LIBRARY!r})
torch.manual_seed(0)
q, k, v = torch.randn(2, 150, 3, 2, 64).permute(2, 0, 3, 1, 4).unbind(0)
y = torch.ops.vqt.attention(q, k, v, cos=torch.randn(150, 64), sin=torch.randn(150, 64), norm=True, q_norm_weight=torch.randn(64))
print(hashlib.sha256(y.contiguous().numpy().tobytes()).hexdigest())
"""
    run = lambda isa: subprocess.run(  # noqa: E731
        [sys.executable, "-c", script], env={**os.environ, "VQT_ISA": isa}, capture_output=True, text=True
    )
    got = [r.stdout for r in map(run, ("ref", "avx2", "avxvnni", "avx512vnni")) if r.returncode == 0]
    assert got and got[0] and len(set(got)) == 1


def test_scale() -> None:
    q, k, v = heads(2, 40, 3, 64)
    for scale in (0.01, 0.125, 0.3):
        assert error(ops.attention(q, k, v, scale=scale), exact(q, k, v, scale)) < 0.02


def test_what_broadcasts_is_broadcast() -> None:
    q, k, v = randn(2, 3, 5, 32), randn(3, 7, 32), randn(1, 1, 7, 32)
    y = ops.attention(q, k, v)
    assert y.shape == q.shape
    assert error(y, exact(q, k.expand(2, 3, 7, 32), v.expand(2, 3, 7, 32))) < 0.02


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("axes", [1, 2])
def test_prologue_has_the_bits_of_rotary_before_it(axes: int, norm: bool) -> None:
    q, k, v = heads(2, 37, 3, 64)
    angles = randn(37, 64, seed=7) * 3
    cos, sin = angles.cos(), angles.sin()
    weights = [randn(64, seed=s) + 1 for s in range(4)] if norm else [None] * 4
    q_norm = {"norm": norm, "norm_weight": weights[0], "norm_bias": weights[1], "norm_eps": 1e-3}
    k_norm = {"norm": norm, "norm_weight": weights[2], "norm_bias": weights[3], "norm_eps": 1e-3}
    want = ops.attention(ops.rotary(q, cos, sin, axes=axes, **q_norm), ops.rotary(k, cos, sin, axes=axes, **k_norm), v)
    names = ("q_norm_weight", "q_norm_bias", "k_norm_weight", "k_norm_bias")
    more = dict(zip(names, weights, strict=True)) | {"norm": norm, "norm_eps": 1e-3}
    y = ops.attention(q, k, v, cos=cos, sin=sin, axes=axes, **more)
    assert torch.equal(y, want)


# What the rotary kernel does not take (tables with more sizes than q, of float64) goes through torch's ops first.
def test_prologue_of_any_tables() -> None:
    q, k, v = heads(2, 37, 3, 64)
    cos, sin = randn(37, 64, seed=7), randn(37, 64, seed=8)
    want = ops.attention(ops.rotary(q, cos, sin), ops.rotary(k, cos, sin), v)
    assert torch.equal(ops.attention(q, k, v, cos=cos.expand(2, 3, 37, 64), sin=sin[None]), want)
    wide = {"cos": cos.double(), "sin": sin.double()}
    assert torch.equal(ops.attention(q, k, v, **wide), ops.attention(ops.rotary(q, **wide), ops.rotary(k, **wide), v))
    one = ops.attention(q[:1], k[:1], v, cos=cos.expand(2, 3, 37, 64), sin=sin)
    assert torch.equal(one, ops.attention(ops.rotary(q[:1], cos, sin), ops.rotary(k[:1], cos, sin), v))
    shared = ops.attention(q, k[:1, :1], v, cos=cos, sin=sin)  # one key head for all
    assert torch.equal(
        shared, ops.attention(ops.rotary(q, cos, sin), ops.rotary(k[:1, :1], cos, sin).expand(2, 3, -1, -1), v)
    )


def test_norm_alone() -> None:
    q, k, v = heads(2, 37, 3, 64)
    weight, bias = randn(64) + 1, randn(64, seed=2)
    y = ops.attention(q, k, v, norm=True, q_norm_weight=weight, k_norm_bias=bias)
    normed = F.layer_norm(q.double(), [64], weight.double()), F.layer_norm(k.double(), [64], None, bias.double())
    assert error(y, exact(*normed, v)) < 0.02


@pytest.mark.parametrize("leading", [(2, 3), (3,), ()], ids=str)
def test_opcheck(leading: tuple[int, ...]) -> None:
    q, k, v = randn(*leading, 5, 32), randn(*leading, 7, 32), randn(*leading, 7, 32)
    torch.library.opcheck(ops.attention.default, (q, k, v))
    torch.library.opcheck(ops.attention.default, (q.bfloat16(), k.bfloat16(), v.bfloat16()), {"scale": 0.1})
    rotary = {"cos": randn(5, 32), "sin": randn(5, 32), "axes": 2, "norm": True, "q_norm_weight": randn(32)}
    torch.library.opcheck(ops.attention.default, (q, q, q), rotary)


def test_scripts_and_compiles() -> None:
    def attend(x: Tensor) -> Tensor:
        q, k, v = x.permute(2, 0, 3, 1, 4).unbind(0)
        y = torch.ops.vqt.attention(q, k, v, scale=0.2)
        return y.transpose(1, 2).reshape(x.size(0), x.size(1), -1)

    compiled = torch.compile(attend, backend="aot_eager", dynamic=True, fullgraph=True)
    for t in (5, 7):
        x = randn(2, t, 3, 4, 32)
        want = attend(x)
        assert torch.equal(torch.jit.script(attend)(x), want)
        assert torch.equal(compiled(x), want)


def test_inputs_that_require_grad() -> None:
    q, k, v = heads(2, 9, 3, 32)
    assert torch.equal(ops.attention(q.clone().requires_grad_(), k, v), ops.attention(q, k, v))


X, TABLE = torch.ones(2, 5, 6), torch.ones(5, 6)
ERRORS = [
    (TypeError, (X.int(), X, X), {}, r"q: expected floating-point \[..., M, D\], got int32 \[2, 5, 6\]"),
    (ValueError, (X[0, 0], X, X), {}, r"q: expected floating-point \[..., M, D\], got float32 \[6\]"),
    (TypeError, (X, X.double(), X), {}, r"k: expected float32 as v has, got float64 \[2, 5, 6\]"),
    (ValueError, (X, X[..., :4], X), {}, r"k: expected \[..., N, 6\] as q has, got float32 \[2, 5, 4\]"),
    (ValueError, (X, X, X[:, :4]), {}, r"v: expected \[..., 5, D\] as k has, got float32 \[2, 4, 6\]"),
    (ValueError, (X, X.expand(3, 2, 5, 6), X.repeat(2, 1, 1)), {}, r"v: expected leading sizes that broadcast with \[3, 2\], got "),
    (ValueError, (X, X, X), {"cos": TABLE}, r"sin: expected a tensor, as cos is one, got None"),
    (ValueError, (X, X, X), {"cos": TABLE[:3], "sin": TABLE}, r"cos: expected \[5, 6\], q's last two, or what broadcasts with "),
    (ValueError, (X, X, X), {"cos": TABLE, "sin": TABLE, "axes": 3}, r"axes: expected 1 or 2, got 3"),
    (ValueError, (X, X, X), {"k_norm_bias": TABLE[0]}, r"k_norm_bias: expected None without norm, got float32 \[6\]"),
    (ValueError, (X, X, X), {"norm": True, "q_norm_weight": TABLE}, r"q_norm_weight: expected \[6\], q's last size, got float32"),
    (ValueError, (X, X, X), {"norm": True, "norm_eps": -1.0}, r"norm_eps: expected 0 or more, got -1"),
    (ValueError, (X, X, X), {"sin": TABLE}, r"sin: expected None, as cos is, got float32 \[5, 6\]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "args", "more", "text"), ERRORS, ids=[e[3][:24] for e in ERRORS])
def test_errors(kind: type[Exception], args: tuple, more: dict, text: str) -> None:
    with pytest.raises(kind, match="^vqt::attention: " + text):
        ops.attention(*args, **more)
    with pytest.raises(kind, match="^vqt::attention: " + text):  # the same words while tracing
        ops.attention(
            *(a.to("meta") for a in args), **{k: v.to("meta") if isinstance(v, Tensor) else v for k, v in more.items()}
        )
