"""attention against attention in float64, against itself in other parts, and with vqt::rotary before it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

ops = torch.ops.vqt


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
