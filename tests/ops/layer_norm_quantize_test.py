"""layer_norm_quantize: the bytes of a row, the norm against float64, and what a linear makes of it."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

ops = torch.ops.vqt
LIBRARY = os.environ.get("VQT_OPS_LIB", str(Path(__file__).resolve().parents[2] / "build" / "lib" / "libvqt_ops.so"))
MODES = [
    {},
    {"activation_symmetric": True},
    {"activation": "static", "x_scale": 0.03, "x_zero_point": 117},
    {"activation": "static", "x_scale": 0.031, "activation_symmetric": True},
]


def randn(*sizes: int, seed: int = 1) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(seed + 31 * sum(sizes)))


def parameters(k: int) -> tuple[Tensor, Tensor]:
    return randn(k, seed=5) + 1, randn(k, seed=6)


def decode(row: Tensor, k: int) -> tuple[np.ndarray, float, int, int]:
    """q, scale, zero and sum of a quantized activation of one row: in order on every instruction set."""
    data = row.numpy().reshape(-1)
    k_pad = (k + 7) // 8 * 8
    assert data.dtype == np.uint8 and data.size == k_pad + 12 + k % 8
    assert not data[k:k_pad].any()
    scale = float(data[k_pad : k_pad + 4].view(np.float32)[0])
    zero, total = (int(v) for v in data[k_pad + 4 : k_pad + 12].view(np.int32))
    return data[:k].astype(np.int64), scale, zero, total


def normed(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """The float32 rows that are quantized: rotary by no angle is their norm."""
    k = x.size(-1)
    return ops.rotary(
        x.reshape(-1, k), torch.ones(k), torch.zeros(k), norm=True, norm_weight=weight, norm_bias=bias, norm_eps=eps
    )


def identity(k: int) -> Tensor:
    """A packed weight whose product with x is x' itself, exactly."""
    scheme = (8, True, "per_tensor")
    one, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)
    return ops.pack_weight(torch.eye(k, dtype=torch.int8), one, zero, *scheme)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("k", [2, 6, 8, 30, 32, 34, 62, 64, 66, 100, 256, 258, 1024])
def test_one_row(k: int, mode: dict) -> None:
    weight, bias = parameters(k)
    x = randn(1, k) * 3 + 0.5
    q, scale, zero, total = decode(ops.layer_norm_quantize(x, weight, bias, 1e-5, **mode), k)
    symmetric = mode.get("activation_symmetric", False)
    y = normed(x, weight, bias, 1e-5)
    if "x_scale" in mode:
        want_scale, want_zero = np.float32(mode["x_scale"]), mode.get("x_zero_point", 0)
        low, high = (-127, 127) if symmetric else (0, 255)
        want_q = np.clip(np.rint(y.numpy()[0] / want_scale + np.float32(want_zero)), low, high).astype(np.int64)
    else:
        got = ops.quantize_per_token(y, symmetric)
        want_q, want_scale, want_zero = got[0][0].numpy().astype(np.int64), got[1].item(), got[2].item()
    shift = 128 if symmetric else 0
    assert scale == want_scale and zero == want_zero + shift
    assert (q == want_q + shift).all()
    assert total == q.sum()


def test_by_hand() -> None:
    # mean 2, variance 5 (of 4 values) + eps 4 = 9: n = -1, -1/3, 1/3, 1 times 3, plus 1: -2 0 2 4
    x = torch.tensor([[-1.0, 1.0, 3.0, 5.0]])
    q, scale, zero, total = decode(ops.layer_norm_quantize(x, torch.full((4,), 3.0), torch.ones(4), 4.0), 4)
    assert scale == pytest.approx(6 / 255, rel=1e-6) and zero == 85
    assert q.tolist() == [0, 85, 170, 255] and total == 510
    static = {"activation": "static", "x_scale": 1.0, "x_zero_point": 3}
    q, scale, zero, total = decode(ops.layer_norm_quantize(x, torch.full((4,), 3.0), torch.ones(4), 4.0, **static), 4)
    assert (q.tolist(), scale, zero, total) == ([1, 3, 5, 7], 1.0, 3, 16)


@pytest.mark.parametrize(("with_weight", "with_bias"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("k", [2, 62, 64, 66, 384, 1024, 2048])
def test_the_norm_is_at_least_as_exact_as_torchs(k: int, with_weight: bool, with_bias: bool) -> None:
    weight, bias = parameters(k)
    weight, bias = weight if with_weight else None, bias if with_bias else None
    # residual streams: a few channels are huge, rows have offsets
    x = randn(200, k) * torch.logspace(-2, 2, 200).unsqueeze(1) + randn(200, 1, seed=3) * 5
    x[:, ::97] *= 50
    wide = [None if p is None else p.double() for p in (weight, bias)]
    exact = F.layer_norm(x.double(), [k], wide[0], wide[1], 1e-6)
    error = normed(x, weight, bias, 1e-6) - exact
    torch_error = F.layer_norm(x, [k], weight, bias, 1e-6) - exact
    assert error.square().mean() <= 1.05 * torch_error.square().mean()
    assert error.abs().max() <= 4e-7 * exact.abs().max()


def test_the_norm_of_rows_far_from_zero() -> None:
    for offset in (1e2, 1e4, 1e6):
        x = randn(50, 1024) + offset
        exact = F.layer_norm(x.double(), [1024], eps=1e-6)
        assert (normed(x, None, None, 1e-6) - exact).abs().max() <= 3e-6


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("leading", [(), (0,), (1,), (7,), (12,), (2, 3), (2, 0, 3), (1, 25, 1), (97,)], ids=str)
def test_equals_quantizing_the_norm(leading: tuple[int, ...], mode: dict) -> None:
    """Any leading sizes; the bytes are those of quantize_activation, whatever the tiles."""
    weight, bias = parameters(36)
    x = randn(*leading, 36)
    got = ops.layer_norm_quantize(x, weight, bias, 1e-5, **mode)
    assert got.dtype == torch.uint8 and got.shape == (*leading, 40 + 12 + 36 % 8)
    want = ops.quantize_activation(normed(x, weight, bias, 1e-5), **mode)
    assert torch.equal(got.reshape(-1), want.reshape(-1))


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("k", [3, 36, 96, 257])
def test_a_linear_reads_it(k: int, mode: dict) -> None:
    """x' = what quantizing at::layer_norm's result stands for, to one step where a rounding went the other way."""
    weight, bias = parameters(k)
    x = randn(2, 29, k) * 2 + 0.3
    y = ops.linear_int8(ops.layer_norm_quantize(x, weight, bias, 1e-5, **mode), identity(k))
    separate = ops.linear_int8(F.layer_norm(x, [k], weight, bias, 1e-5), identity(k), **mode)
    assert y.dtype == torch.float32 and y.shape == x.shape
    step = mode.get("x_scale") or separate.abs().max().item() / 100
    assert (y - separate).abs().max() <= 1.001 * step
    assert ((y - separate).abs() > 1e-5).float().mean() < 1e-2


def test_rows_that_are_not_finite_become_nan_alone() -> None:
    weight, bias = parameters(37)
    x = randn(30, 37)
    good = ops.linear_int8(ops.layer_norm_quantize(x, weight, bias), identity(37))
    bad = {3: float("nan"), 11: float("inf"), 29: -float("inf")}
    for mode in MODES:
        broken = x.clone()
        for row, value in bad.items():
            broken[row, row] = value
        y = ops.linear_int8(ops.layer_norm_quantize(broken, weight, bias, **mode), identity(37))
        rest = [r for r in range(30) if r not in bad]
        assert y[list(bad)].isnan().all()
        assert not y[rest].isnan().any()
        if not mode:
            assert torch.equal(y[rest], good[rest])
    infinite = bias.clone()
    infinite[5] = float("inf")
    q, scale, zero, total = decode(ops.layer_norm_quantize(x[:1], weight, infinite), 37)
    assert np.isnan(scale) and not q.any() and zero == total == 0


def test_constant_rows_are_their_bias() -> None:
    q, scale, zero, total = decode(ops.layer_norm_quantize(torch.full((1, 9), 7.5), None, None), 9)
    assert (q.tolist(), scale, zero, total) == ([0] * 9, 1.0, 0, 0)
    q, scale, zero, _ = decode(ops.layer_norm_quantize(torch.full((1, 2), 7.5), None, torch.tensor([255.0, 51.0])), 2)
    assert (q.tolist(), scale, zero) == ([255, 51], 1.0, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32(dtype: torch.dtype) -> None:
    x = randn(23, 45).to(dtype)
    weight, bias = (p.to(dtype) for p in parameters(45))
    got = ops.layer_norm_quantize(x, weight, bias)
    assert torch.equal(got, ops.layer_norm_quantize(x.float(), weight.float(), bias.float()))


def test_any_strides() -> None:
    weight, bias = parameters(20)
    x = randn(3, 20, 14)
    want = ops.layer_norm_quantize(x.transpose(1, 2).contiguous(), weight, bias)
    assert torch.equal(ops.layer_norm_quantize(x.transpose(1, 2), weight, bias), want)
    wide = randn(42, 50)  # rows with a stride, as of a slice of columns
    want = ops.layer_norm_quantize(wide[:, 7:27].contiguous(), weight, bias)
    assert torch.equal(ops.layer_norm_quantize(wide[:, 7:27], weight, bias), want)
    alternating = torch.stack([weight, bias], dim=1)
    assert torch.equal(ops.layer_norm_quantize(wide[:, 7:27], alternating[:, 0], alternating[:, 1]), want)


def test_no_columns() -> None:
    assert ops.layer_norm_quantize(torch.empty(1, 0), None, None).numpy().view(np.float32)[0, 0] == 1.0


def test_threads_and_other_rows_do_not_change_a_bit() -> None:
    weight, bias = parameters(1024)
    x = randn(197, 1024)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(ops.layer_norm_quantize(x, weight, bias))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], r) for r in results[1:])
    values = ops.linear_int8(results[0], identity(1024))
    for row in (0, 11, 12, 100, 196):
        alone = ops.linear_int8(ops.layer_norm_quantize(x[row : row + 1], weight, bias), identity(1024))
        assert torch.equal(alone[0], values[row])


def test_every_instruction_set_gives_the_same_values() -> None:
    script = f"""
import torch, hashlib
torch.ops.load_library({LIBRARY!r})
torch.manual_seed(0)
x, w, b = torch.randn(1, 203), torch.randn(203), torch.randn(203)
q = torch.ops.vqt.layer_norm_quantize(x, w, b)
print(hashlib.sha256(q.numpy().tobytes()).hexdigest())
"""
    run = lambda isa: subprocess.run(  # noqa: E731
        [sys.executable, "-c", script], env={**os.environ, "VQT_ISA": isa}, capture_output=True, text=True
    )
    got = [r.stdout for r in map(run, ("ref", "avx2", "avxvnni", "avx512vnni")) if r.returncode == 0]
    assert got and got[0] and len(set(got)) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(2, 3, 11), (4, 11), (11,), (0, 11)], ids=str)
def test_opcheck(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight, bias = parameters(11)
    x = randn(*shape).to(dtype)
    for mode in MODES:
        torch.library.opcheck(ops.layer_norm_quantize.default, (x, weight, bias, 1e-6), mode)
    torch.library.opcheck(ops.layer_norm_quantize.default, (x, None, None))
    torch.library.opcheck(ops.layer_norm_quantize.default, (x.t() if x.dim() == 2 else x, None, None))


def test_scripts_compiles_and_exports() -> None:
    class Normed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.LayerNorm(11, eps=1e-6)

        def forward(self, x: Tensor) -> Tensor:
            return torch.ops.vqt.layer_norm_quantize(x, self.norm.weight, self.norm.bias, 1e-6)

    module = Normed()
    x = randn(4, 11)
    want = module(x)
    assert torch.equal(torch.jit.script(module)(x), want)
    rows = torch.export.Dim("rows", min=0, max=1000)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: rows},))
    for m in (0, 1, 9):
        x = randn(m, 11)
        assert torch.equal(program.module()(x), module(x))

    def norm(x: Tensor) -> Tensor:
        return torch.ops.vqt.layer_norm_quantize(x, None, None)

    compiled = torch.compile(norm, backend="aot_eager", dynamic=True, fullgraph=True)
    for m, k in [(3, 16), (5, 27)]:
        x = randn(m, k)
        assert torch.equal(compiled(x), norm(x))


X = torch.ones(2, 6)
ERRORS = [
    (TypeError, (X.int(), None, None), {}, r"x: expected float32, bfloat16 or float16, got int32 \[2, 6\]"),
    (ValueError, (torch.tensor(1.0), None, None), {}, r"x: expected at least 1 dimension, got float32 \[\]"),
    (TypeError, (X, X[0].int(), None), {}, r"weight: expected float32, bfloat16 or float16, got int32 \[6\]"),
    (ValueError, (X, torch.ones(5), None), {}, r"weight: expected \[6\], x's last size, got float32 \[5\]"),
    (ValueError, (X, None, X), {}, r"bias: expected \[6\], x's last size, got float32 \[2, 6\]"),
    (ValueError, (X, None, None, -1.0), {}, r"eps: expected 0 or more, got -1"),
    (ValueError, (X, None, None), {"activation": "none"}, r'activation: expected dynamic or static, got "none"'),
    (ValueError, (X, None, None), {"activation": "fast"}, r'activation: expected dynamic, static or none, got "fast"'),
    (ValueError, (X, None, None), {"activation": "static"}, r'x_scale: expected a positive float32 with activation="static"'),
    (ValueError, (X, None, None), {"x_scale": 0.5}, r'x_scale: expected 0 with activation="dynamic"'),
    (
        ValueError,
        (X, None, None),
        {"activation": "static", "x_scale": 1.0, "x_zero_point": 256},
        r"x_zero_point: expected 0 to 255, got 256",
    ),
]


@pytest.mark.parametrize(("kind", "args", "more", "text"), ERRORS, ids=[e[3][:24] for e in ERRORS])
def test_errors(kind: type[Exception], args: tuple, more: dict, text: str) -> None:
    with pytest.raises(kind, match="^vqt::layer_norm_quantize: " + text):
        ops.layer_norm_quantize(*args, **more)
    with pytest.raises(kind, match="^vqt::layer_norm_quantize: " + text):  # the same words while tracing
        ops.layer_norm_quantize(*(a.to("meta") if isinstance(a, Tensor) else a for a in args), **more)
