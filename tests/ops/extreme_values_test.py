"""Activations up to float32's ends: where the float product is finite, so is every quantized one, and as near as ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import qref
import torch
import torch.nn.functional as F
from linear_case import Weight
from torch import Tensor

LIBRARY = os.environ.get("VQT_OPS_LIB", str(Path(__file__).resolve().parents[2] / "build" / "lib" / "libvqt_ops.so"))
S = qref.Scheme
K, N = 64, 20
SCHEMES = [S(8, True), S(8, False), S(8, True, "per_tensor"), S(8, False, "group", 5), S(4, True, "group", 32),
           S(4, False, "group", 32), S(4, True, "per_channel"), S(4, False, "group", 12)]
# the last static scales: those of rows with 3e38 and -3e38
MODES = [dict(activation="none"), dict(), dict(activation_symmetric=True), dict(activation="static", x_scale=0.03, x_zero_point=117),
         dict(activation="static", x_scale=2.353e36, x_zero_point=128), dict(activation="static", x_scale=2.36e36, activation_symmetric=True)]


def rows() -> Tensor:
    """Each row one kind: one large value, all large, both ends, mixed with small ones, denormals, zeros."""
    noise = torch.randn(12, K, generator=torch.Generator().manual_seed(5))
    x = noise.clone()
    x[0, 3] = 1e37
    x[1, 3] = -1e37
    x[2] = noise[2] * 1e36
    x[3, 3], x[3, 40] = 3e38, -3e38
    x[4] = 3e38
    x[5] = noise[5].sign() * 3e38
    x[6] = noise[6] * 1e-37
    x[7] = noise[7] * 1e-44
    x[8] = 0.0
    x[9, 5], x[9, 6] = 1e20, 1e-40
    x[10, 3], x[10, 4] = 1e37, 1e37
    return x


def packed(scheme: S) -> Weight:
    return Weight(N, K, scheme)


# What one instruction set gives, in a process of its own: VQT_ISA is read once.
SCRIPT = """
import sys, torch
torch.ops.load_library(sys.argv[1])
sys.path.insert(0, sys.argv[2])
from extreme_values_test import MODES, SCHEMES, computed
torch.save([[computed(scheme, mode) for mode in MODES] for scheme in SCHEMES], sys.argv[3])
"""


def computed(scheme: S, mode: dict) -> dict[str, Tensor]:
    w, x, V = packed(scheme), rows(), torch.ops.vqt
    small = w.op(x, V.pack_weight(w.q, w.scale * 1e-3, w.zero, *scheme.args, k=K), None, **mode)
    out = {"y": w.linear(x, w.bias, **mode), "small": small, "relu": w.linear(x, w.bias, post_op="relu", **mode),
           "bfloat16": w.linear(x.bfloat16(), w.bias, **mode), "gelu": w.linear(x, w.bias, post_op="gelu", **mode),
           "static": V.linear_int8(w.linear(x, w.bias, y_scale=1e36, y_zero_point=128, **mode), torch.eye(N, dtype=torch.int8), None, torch.ones(1))}
    if mode.get("activation") != "none":
        q = V.layer_norm_quantize(x * 1.0, torch.ones(K), torch.full((K,), 0.5), **mode)
        out["norm"] = w.op(q, w.packed, w.bias)
    out["rotary"] = V.rotary(x, torch.ones(K), torch.zeros(K), norm=True, norm_bias=torch.full((K,), 0.5))
    return out


@pytest.fixture(scope="module", params=["ref", "avx2", "avxvnni", "avx512vnni", "amx"])
def results(request, tmp_path_factory) -> list[list[dict[str, Tensor]]]:
    file = tmp_path_factory.mktemp(request.param) / "y.pt"
    done = subprocess.run([sys.executable, "-c", SCRIPT, LIBRARY, str(Path(__file__).parent), str(file)],
                          env={**os.environ, "VQT_ISA": request.param}, capture_output=True, text=True)
    if "expected an instruction set of this CPU" in done.stderr:
        pytest.skip(f"{request.param} is not on this CPU")
    assert done.returncode == 0, done.stderr
    return torch.load(file)


def represented(x: Tensor, mode: dict) -> Tensor:
    """x in float64, within what the quantizer can hold."""
    x = x.double()
    if mode.get("activation") != "static":
        return x
    scale, zero = mode["x_scale"], mode.get("x_zero_point", 0)
    low, high = (-127, 127) if mode.get("activation_symmetric") else (-zero, 255 - zero)
    return x.clamp(low * scale, high * scale)


def step(x: Tensor, mode: dict) -> Tensor:
    """A quantization step of each row."""
    x = x.double()
    if mode.get("activation") == "none":
        return torch.zeros(len(x), 1, dtype=torch.float64)
    if mode.get("activation") == "static":
        return torch.full((len(x), 1), mode["x_scale"], dtype=torch.float64)
    low, high = x.amin(1, True).clamp(max=0), x.amax(1, True).clamp(min=0)
    return x.abs().amax(1, True) / 127 if mode.get("activation_symmetric") else (high - low) / 255


def test_finite_where_float_is(results: list[list[dict[str, Tensor]]]) -> None:
    x = rows()
    for scheme, by_mode in zip(SCHEMES, results, strict=True):
        w = packed(scheme)
        for mode, got in zip(MODES, by_mode, strict=True):
            held = represented(x, mode)
            for name, factor in (("y", 1.0), ("small", 1e-3)):
                weight, bias = w.float64 * factor, w.bias if name == "y" else torch.zeros(N)
                finite = F.linear(x, weight.float(), bias).isfinite() & (F.linear(held.abs(), weight.abs()) < 3e38)
                text = f"{scheme} {mode} {name}"
                assert finite.any(1)[[0, 1, 3, 6, 7, 8, 9, 10]].all(), text
                assert got[name][finite].isfinite().all(), text
                want = F.linear(held, weight, bias.double())
                room = 0.51 * step(x, mode) * weight.abs().sum(1) + 1e-5 * F.linear(held.abs(), weight.abs()) + 1e-3
                if mode.get("activation") == "none":  # a kernel may multiply stored integers first and subtract zero points last
                    room = room + 1e-6 * 15 * w.scale.abs().max() * factor * held.abs().sum(1, True)
                assert ((got[name].double() - want).abs() <= room)[finite].all(), text
            finite = got["y"].isfinite()
            for name in ("relu",) if mode.get("activation") == "none" else ("relu", "gelu"):  # torch's gelu(3e38) is Inf
                assert got[name][finite].isfinite().all(), f"{scheme} {mode} {name}"
            assert not got["bfloat16"][finite & (got["y"].abs() < 3e38)].isnan().any()
            assert got["static"][finite.all(1)].isfinite().all()  # one value that is not is all of its row


def test_norms_of_extreme_rows(results: list[list[dict[str, Tensor]]]) -> None:
    """Rows whose squares pass float32's range come out as the bias, as torch's layer_norm has them."""
    want = F.layer_norm(rows(), [K], None, torch.full((K,), 0.5))
    for by_mode in results:
        for got in by_mode:
            assert got["rotary"][want.isfinite()].isfinite().all()
            assert (got["rotary"] - want)[want.isfinite()].abs().max() < 1e-3
            if "norm" in got:
                assert got["norm"].isfinite()[want.isfinite().all(1)].all()


def test_int16() -> None:
    V, x = torch.ops.vqt, rows()
    weight = torch.randn(N, K)
    scale, zero = V.choose_qparams(weight, 16, True, "per_channel")
    y, want = V.linear_int16(x, V.quantize(weight, scale, zero, 16, True, "per_channel"), None, scale), F.linear(x, weight)
    finite = want.isfinite() & (F.linear(x.abs(), weight.abs()) < 3e38)
    assert y[finite].isfinite().all()


def test_per_token_scales() -> None:
    for symmetric in (False, True):
        x = rows()
        q, scale, zero = torch.ops.vqt.quantize_per_token(x, symmetric)
        assert scale.isfinite().all()
        back = (q.double() - zero.double()) * scale.double()
        assert ((back - x.double()).abs() <= 0.502 * scale.double()).all()
