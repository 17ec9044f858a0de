"""linear_int8 and linear_int4 against float64 products of what the quantized numbers stand for."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qref
import torch
import torch.nn.functional as F
from linear_case import Weight

ops = torch.ops.vqt
LIBRARY = os.environ.get("VQT_OPS_LIB", str(Path(__file__).resolve().parents[2] / "build" / "lib" / "libvqt_ops.so"))


def quantized_x(x: torch.Tensor, symmetric: bool, x_scale: float = 0.0, x_zero: int = 0) -> torch.Tensor:
    """What the activations stand for, in float64."""
    if x_scale:
        low, high = (-127, 127) if symmetric else (0, 255)
        q = torch.clamp(torch.round(x.float() / np.float32(x_scale) + x_zero), low, high)
        return (q.double() - x_zero) * float(np.float32(x_scale))
    q, scale, zero = ops.quantize_per_token(x.float(), symmetric)
    return (q.double() - zero.double()) * scale.double()


def expected(w: Weight, x: torch.Tensor, bias, rows=slice(None), **kw) -> torch.Tensor:
    symmetric = kw.get("activation_symmetric", False)
    values = x.double() if kw.get("activation") == "none" else quantized_x(
        x, symmetric, kw.get("x_scale", 0.0), kw.get("x_zero_point", 0))
    return F.linear(values, w.float64[rows], None if bias is None else bias.double())


def assert_close(y: torch.Tensor, reference: torch.Tensor, dtype=torch.float32):
    """Float32 sums: a few units of the largest magnitude; other dtypes: one rounding more."""
    assert y.dtype == dtype and y.shape == reference.shape
    unit = {torch.float32: 2e-6, torch.bfloat16: 2**-8, torch.float16: 2**-10}[dtype]
    if not y.numel():
        return
    magnitude = max(1.0, reference.abs().max().item())
    assert (y.double() - reference).abs().max().item() <= unit * magnitude


S = qref.Scheme
FAST = [S(8, True), S(8, False), S(8, True, "per_tensor"), S(8, False, "per_tensor"), S(8, True, "group", -1),
        S(4, True, "group", 32), S(4, False, "group", 32), S(4, True, "group", -1), S(4, False, "per_channel"),
        S(4, True, "per_tensor"), S(4, True, "group", 64), S(4, False, "group", 64), S(4, False, "group", 1000)]
# groups that are no multiple of 8, 8-bit groups
SLOW = [S(4, True, "group", 12), S(4, False, "group", 7), S(8, True, "group", 32), S(8, False, "group", 5)]
MODES = [dict(), dict(activation_symmetric=True), dict(activation="static", x_scale=0.03, x_zero_point=117),
         dict(activation="static", x_scale=0.031, activation_symmetric=True), dict(activation="none")]
ids = str


@pytest.mark.parametrize("mode", MODES, ids=ids)
@pytest.mark.parametrize("scheme", FAST + SLOW, ids=ids)
def test_values(scheme, mode):
    for m, n, k in [(1, 5, 96), (14, 33, 96), (40, 70, 96), (13, 16, 160)]:
        w = Weight(n, k, scheme)
        x = torch.randn(m, k, generator=torch.Generator().manual_seed(m)) * 1.3 + 0.2
        assert_close(w.linear(x, w.bias, **mode), expected(w, x, w.bias, **mode))
        assert_close(w.linear(x, None, **mode), expected(w, x, None, **mode))


@pytest.mark.parametrize("scheme", [s for s in FAST if s.granularity != "group" or s.bits == 4] +
                         [s for s in SLOW if s.bits == 4], ids=ids)
def test_canonical_equals_packed(scheme):
    w = Weight(33, 96, scheme)
    x = torch.randn(7, 96)
    for mode in MODES:
        assert torch.equal(w.canonical(x, w.bias, **mode), w.linear(x, w.bias, **mode))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 9, 15, 17, 63, 65, 129])
@pytest.mark.parametrize("scheme", [S(8, True), S(8, False), S(4, True, "group", -1), S(4, False, "per_channel"),
                                    S(4, True, "group", 64)], ids=ids)
def test_any_k(scheme, k):
    w = Weight(19, k, scheme)
    x = torch.randn(6, k)
    assert_close(w.linear(x, w.bias), expected(w, x, w.bias))


@pytest.mark.parametrize("scheme", [S(8, False), S(4, True, "group", 32), S(4, False, "group", 7)], ids=ids)
@pytest.mark.parametrize("begin, end", [(0, 0), (0, 1), (3, 20), (16, 48), (17, 49), (31, 70), (5, -1)])
def test_row_slices(scheme, begin, end):
    w = Weight(70, 64, scheme)
    x = torch.randn(9, 64)
    stop = 70 if end == -1 else end
    for mode in (dict(), dict(activation="none")):
        y = w.linear(x, w.bias[begin:stop], row_begin=begin, row_end=end, **mode)
        if mode:
            assert_close(y, expected(w, x, w.bias[begin:stop], slice(begin, stop), **mode))
        else:
            assert torch.equal(y, w.linear(x, w.bias)[:, begin:stop])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scheme", [S(8, True), S(4, True, "group", 32)], ids=ids)
def test_dtypes_and_shapes(scheme, dtype):
    w = Weight(20, 64, scheme)
    for shape in [(64,), (1, 64), (0, 64), (2, 3, 64), (2, 0, 64), (2, 1, 5, 64)]:
        x = torch.randn(shape).to(dtype)
        bias = w.bias.to(dtype)
        for mode in (dict(), dict(activation="none")):
            y = w.linear(x, bias, **mode)
            if x.numel():
                assert_close(y, expected(w, x, bias, **mode), dtype)
            assert y.shape == (*shape[:-1], 20) and y.dtype == dtype


def test_bias_of_another_dtype():
    w = Weight(20, 64, S())
    x = torch.randn(3, 64)
    assert torch.equal(w.linear(x, w.bias.half()), w.linear(x, w.bias.half().float()))


@pytest.mark.parametrize("scheme", [S(8, True), S(4, True, "group", 32)], ids=ids)
def test_strides_do_not_matter(scheme):
    w = Weight(20, 64, scheme)
    x = torch.randn(6, 4, 64)
    for view in [x.transpose(0, 1), x[::2], torch.randn(64, 6).t(), torch.randn(6, 128)[:, ::2],
                 torch.randn(64).expand(6, 64)]:
        assert torch.equal(w.linear(view, w.bias), w.linear(view.contiguous(), w.bias))


@pytest.mark.parametrize("scheme", [S(8, True), S(8, False), S(4, True, "group", 32), S(4, False, "group", 7)], ids=ids)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_inf_stay_in_their_row(scheme, value):
    w = Weight(35, 64, scheme)
    x = torch.randn(14, 64)
    clean = x.clone()
    x[5, 17] = value
    for mode in MODES[:4]:
        y, reference = w.linear(x, w.bias, **mode), w.linear(clean, w.bias, **mode)
        assert y[5].isnan().all()
        keep = torch.arange(14) != 5
        assert torch.equal(y[keep], reference[keep])
    y = w.linear(x, w.bias, activation="none")  # ordinary float rules
    assert not y[5].isfinite().any() and y[torch.arange(14) != 5].isfinite().all()


@pytest.mark.parametrize("scheme", FAST[:2] + FAST[5:7], ids=ids)
def test_rows_do_not_depend_on_their_batch(scheme):
    w = Weight(100, 96, scheme)
    x = torch.randn(50, 96)
    y = w.linear(x, w.bias)
    for i in range(0, 50, 7):
        assert torch.equal(w.linear(x[i], w.bias), y[i])
    assert torch.equal(w.linear(x[3:32], w.bias), y[3:32])


@pytest.mark.parametrize("scheme", FAST[:2] + FAST[5:7] + SLOW[:1], ids=ids)
def test_threads_do_not_matter(scheme):
    w = Weight(300, 192, scheme)
    x = torch.randn(130, 192)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3, 5):
            torch.set_num_threads(count)
            results.append(w.linear(x, w.bias))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], r) for r in results[1:])


@pytest.mark.parametrize("isa", ["ref", "avx2", "avxvnni", "avx512vnni"])
def test_instruction_sets_agree(isa, tmp_path):
    """The same bits whatever VQT_ISA says; a process each, as it is read once."""
    script = f"""
import torch
torch.ops.load_library({LIBRARY!r})
V = torch.ops.vqt
torch.manual_seed(0)
x, w, b = torch.randn(50, 256), torch.randn(77, 256), torch.randn(77)
out = []
for bits, sym, gran, group in [(8, True, "per_channel", 0), (8, False, "per_tensor", 0), (4, True, "group", 64),
                               (4, False, "group", 32), (4, False, "group", 12)]:
    s, z = V.choose_qparams(w, bits, sym, gran, group)
    p = V.pack_weight(V.quantize(w, s, z, bits, sym, gran, group), s, z, bits, sym, gran, group)
    out.append((V.linear_int8 if bits == 8 else V.linear_int4)(x, p, b))
torch.save(out, r"{tmp_path}/out.pt")
"""
    def run(name):
        done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "VQT_ISA": name},
                              capture_output=True, text=True)
        if "expected an instruction set of this CPU" in done.stderr:
            pytest.skip(f"{name} is not on this CPU")
        assert done.returncode == 0, done.stderr
        return torch.load(tmp_path / "out.pt")

    for a, b in zip(run("ref"), run(isa), strict=True):
        assert torch.equal(a, b)


def test_packed_weight_at_an_odd_address():
    for scheme in (S(8, False), S(4, False, "group", 32)):
        w = Weight(33, 64, scheme)
        x = torch.randn(14, 64)
        for offset in (1, 3, 4, 20):
            storage = torch.zeros(w.packed.numel() + offset, dtype=torch.uint8)
            moved = storage[offset:].view(w.packed.shape)
            moved.copy_(w.packed)
            assert torch.equal(w.op(x, moved, w.bias), w.linear(x, w.bias))


def test_packed_weight_is_not_needed_contiguous():
    w = Weight(33, 64, S())
    wide = torch.zeros(w.packed.shape[0], w.packed.shape[1] + 5, dtype=torch.uint8)
    wide[:, :-5] = w.packed
    x = torch.randn(3, 64)
    assert torch.equal(w.op(x, wide[:, :-5]), w.linear(x))


class Module(torch.nn.Module):
    def __init__(self, w: Weight):
        super().__init__()
        self.register_buffer("packed", w.packed)
        self.register_buffer("bias", w.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.vqt.linear_int8(x, self.packed, self.bias, activation_symmetric=True)


def test_script_and_trace(tmp_path):
    w = Weight(20, 64, S())
    x = torch.randn(3, 5, 64)
    module = Module(w)
    scripted = torch.jit.script(module)
    assert torch.equal(scripted(x), module(x))
    scripted.save(str(tmp_path / "m.pt"))
    assert torch.equal(torch.jit.load(str(tmp_path / "m.pt"))(x), module(x))
    traced = torch.jit.trace(module, x)
    assert torch.equal(traced(x[:2]), module(x[:2]))


def test_requires_grad_and_autocast_do_not_disturb():
    w = Weight(20, 64, S())
    x = torch.randn(3, 64)
    reference = w.linear(x, w.bias)
    assert torch.equal(w.linear(x.clone().requires_grad_(), w.bias), reference)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(w.linear(x, w.bias), reference)


@pytest.mark.parametrize("scheme", [S(8, True), S(8, False), S(4, True, "group", 32), S(4, False, "group", 7)], ids=ids)
def test_opcheck(scheme):
    w = Weight(20, 64, scheme)
    op = w.op.default
    for x, mode in itertools.product([torch.randn(2, 3, 64), torch.randn(64).bfloat16()], MODES):
        torch.library.opcheck(op, (x, w.packed, w.bias), mode)
    torch.library.opcheck(op, (torch.randn(3, 64), w.packed, w.bias[4:9]), dict(row_begin=4, row_end=9))
    canonical = dict(group_size=scheme.group_size) if scheme.bits == 4 else {}
    zero = None if scheme.symmetric else w.zero
    torch.library.opcheck(op, (torch.randn(3, 64), w.q, None, w.scale, zero), canonical)


def _errors():
    w8, w4, x = Weight(20, 64, S()), Weight(20, 64, S(4, True, "group", 32)), torch.randn(3, 64)
    a8 = Weight(20, 64, S(8, False))
    i8, i4 = ops.linear_int8, ops.linear_int4
    V, T = (ValueError, RuntimeError), (TypeError, RuntimeError)
    return [
        (T, lambda: i8(x, w8.float64), r"linear_int8: weight: expected int8 .* got float64 \[20, 64\]"),
        (T, lambda: i8(x.int(), w8.packed), r"linear_int8: x: expected float32, bfloat16 or float16, got int32"),
        (V, lambda: i8(x[:, :60], w8.packed), r"x: expected \[\.\.\., 64\] as the weight has 64 columns, got float32 \[3, 60\]"),
        (V, lambda: i8(x[:, :60], w8.q, None, w8.scale), r"x: expected \[\.\.\., 64\] as the weight has 64 columns"),
        (V, lambda: i8(x, w4.packed), r"weight: expected a packed weight of 8 bits, got one of 4 bits \(see linear_int4\)"),
        (V, lambda: i4(x, w8.packed), r"linear_int4: weight: expected a packed weight of 4 bits, got one of 8"),
        (V, lambda: i8(x, w8.packed[:, :3].contiguous()), r"weight: expected a packed weight .* got uint8 \[20, 3\]"),
        (V, lambda: i8(x, torch.zeros_like(w8.packed)), r"weight: expected a packed weight .* does not start with VQTW"),
        (V, lambda: i8(x, w8.q), r"scale: expected float32 \[1\] or \[N\] with an int8 weight, got None"),
        (V, lambda: i8(x, w8.q, None, w8.scale[:7]), r"scale: expected float32 \[1\] or \[N\] .* got float32 \[7\]"),
        (V, lambda: i8(x, w8.q, None, -w8.scale), r"scale: expected positive finite numbers, got -"),
        (V, lambda: i8(x, a8.q, None, a8.scale), r"zero_point: expected int32, one for each scale of a uint8 weight, got None"),
        (V, lambda: i8(x, a8.q, None, a8.scale, a8.zero + 300), r"zero_point: expected 0 to 255, got"),
        (V, lambda: i8(x, w8.packed, None, None, w8.zero), r"zero_point: expected None with a packed weight"),
        (V, lambda: i8(x, w8.packed, w8.bias[:5]), r"bias: expected \[20\], one number for each row .* got float32 \[5\]"),
        (T, lambda: i8(x, w8.packed, w8.bias.int()), r"bias: expected float32, bfloat16 or float16, got int32"),
        (V, lambda: i8(x, w8.packed, row_begin=21), r"row_begin: expected 0 to 20 for a weight of 20 rows, got 21"),
        (V, lambda: i8(x, w8.packed, row_begin=5, row_end=4), r"row_end: expected 5 to 20 \(or -1\)"),
        (V, lambda: i8(x, w8.packed, activation="weird"), r"activation: expected dynamic, static or none, got \"weird\""),
        (V, lambda: i8(x, w8.packed, activation="static"), r"x_scale: expected a positive float32 .* got 0"),
        (V, lambda: i8(x, w8.packed, activation="static", x_scale=float("nan")), r"x_scale: expected a positive"),
        (V, lambda: i8(x, w8.packed, activation="static", x_scale=0.1, x_zero_point=256), r"x_zero_point: expected 0 to 255, got 256"),
        (V, lambda: i8(x, w8.packed, activation="static", x_scale=0.1, x_zero_point=3, activation_symmetric=True),
         r"x_zero_point: expected 0 with activation_symmetric, got 3"),
        (V, lambda: i8(x, w8.packed, x_scale=0.1), r"x_scale: expected 0 with activation=\"dynamic\" \(only \"static\" uses it\)"),
        (V, lambda: i4(x, w4.packed, group_size=32), r"group_size: expected 0 with a packed weight"),
        (V, lambda: i4(x, w4.q, None, w4.scale), r"linear_int4: scale: expected float32 \[1\] or \[N\]"),
        (V, lambda: i4(x, w4.q, None, w4.scale, group_size=16), r"scale: expected one scale for each group of 16, got float32 \[40\]"),
        (V, lambda: i4(x, w4.q, None, w4.scale, group_size=-3), r"group_size: expected 1 or more"),
        (V, lambda: i4(x[:, :60], w4.q, None, w4.scale, group_size=32), r"x: expected \[\.\.\., K\] for a weight"),
        (T, lambda: i4(x, w8.q, None, w8.scale), r"linear_int4: weight: expected uint8 .* got int8 \[20, 64\]"),
    ]


@pytest.mark.parametrize("index", range(len(_errors())))
def test_errors(index):
    error, call, text = _errors()[index]
    with pytest.raises(error, match=text):
        call()


def test_meta_gives_the_same_errors():
    w = Weight(20, 64, S())
    x, packed = torch.randn(3, 64, device="meta"), w.packed.to("meta")
    assert ops.linear_int8(x, packed, w.bias.to("meta")).shape == (3, 20)
    with pytest.raises((ValueError, RuntimeError), match="bias: expected"):
        ops.linear_int8(x, packed, w.bias[:5].to("meta"))
    with pytest.raises((ValueError, RuntimeError), match="row_end: expected"):
        ops.linear_int8(x, packed, row_end=99)


@pytest.mark.parametrize("symmetric, limit", [(True, 65793), (False, 33025)])
def test_limit_of_k(symmetric, limit):
    """The deepest sum is exact, the next one is refused, weight-only has no limit."""
    dtype = torch.int8 if symmetric else torch.uint8
    top = 127 if symmetric else 255
    x = torch.ones(1, limit)  # quantizes to 255 with zero point 0
    zero = None if symmetric else torch.zeros(1, dtype=torch.int32)
    w = torch.full((1, limit), top, dtype=dtype)
    y = ops.linear_int8(x, w, None, torch.ones(1), zero)
    assert y.item() == pytest.approx(float(top) * limit, rel=1e-6)
    deeper = torch.full((1, limit + 1), top, dtype=dtype)
    with pytest.raises((ValueError, RuntimeError), match=f"weight: expected at most {limit} columns"):
        ops.linear_int8(torch.ones(1, limit + 1), deeper, None, torch.ones(1), zero)
    y = ops.linear_int8(torch.ones(1, limit + 1), deeper, None, torch.ones(1), zero, activation="none")
    assert y.item() == pytest.approx(float(top) * (limit + 1), rel=1e-6)


def _int4(nibble: int, n: int, k: int) -> torch.Tensor:
    """A canonical 4-bit weight of one value."""
    return torch.full((n, (k + 1) // 2), nibble * 17, dtype=torch.uint8)


@pytest.mark.parametrize("symmetric", [True, False])
def test_limit_of_a_group(symmetric):
    """With 4 bits a sum is a group's: its length has a limit, K has none."""
    n, limit = 16, 561433  # 255 * 15 * limit fits int32
    level = 7 if symmetric else 15
    zeros = None if symmetric else torch.zeros(n, dtype=torch.int32)

    def linear(k, **mode):
        x = torch.ones(1, k)  # quantizes to 255 with zero point 0
        return ops.linear_int4(x, _int4(level, n, k), None, torch.ones(n), zeros, group_size=-1, **mode)

    assert linear(limit)[0].tolist() == pytest.approx([float(level) * limit] * n, rel=1e-6)
    for k in (limit + 1, 561440):
        with pytest.raises((ValueError, RuntimeError),
                           match=f"weight: expected at most {limit} columns in a group .*, got {k}"):
            linear(k)
        assert linear(k, activation="none")[0].tolist() == pytest.approx([float(level) * k] * n, rel=1e-5)


@pytest.mark.parametrize("symmetric", [True, False])
def test_rows_of_many_groups_have_no_limit(symmetric):
    k = 561472  # one group per row would be too deep
    w = Weight(16, k, S(4, symmetric, "group", 64))
    x = torch.randn(3, k, generator=torch.Generator().manual_seed(1))
    y, reference = w.linear(x, w.bias), expected(w, x, w.bias)
    # Float32 adds 8773 groups. With weights around 0.3 the sum grows to 400 times the result, before what the zero
    # points of x add is subtracted.
    unit = 5e-5 if symmetric else 5e-3
    assert (y.double() - reference).abs().max() <= unit * reference.abs().max()


def test_canonical_weights_have_no_limit():
    """Their kernel sums in int64."""
    k = 65794
    w = torch.full((1, k), 127, dtype=torch.int8)
    packed = ops.pack_weight(w, torch.ones(1), torch.zeros(1, dtype=torch.int32), 8, True, "per_channel",
                             layout="canonical")
    assert ops.linear_int8(torch.ones(1, k), packed).item() == pytest.approx(127.0 * k, rel=1e-6)


def test_plan_is_printed_once(tmp_path):
    script = f"""
import torch
torch.ops.load_library({LIBRARY!r})
V = torch.ops.vqt
w = torch.ones(20, 64, dtype=torch.int8)
for _ in range(3):
    V.linear_int8(torch.randn(3, 64), w, None, torch.ones(1))
"""
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "VQT_PRINT_PLAN": "1", "VQT_ISA": "ref"},
                          capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if "plan" in line]
    assert len(lines) == 1
    assert lines[0].startswith("vqt: plan: int8 3 x 64 -> 20 ref, ")
