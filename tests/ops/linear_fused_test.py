"""What linear_int8 and linear_int4 do behind the product, against the same steps taken one by one in numpy.

The product itself, with its bias, is the op's own without any of them (linear_test.py holds it to float64).
"""

import itertools

import numpy as np
import pytest
import qref
import torch
from linear_case import Weight

ops = torch.ops.vqt
S = qref.Scheme
f32 = np.float32
# the last two: canonical blocks, computed by the reference
SCHEMES = [S(8, True), S(8, False), S(4, True, "group", 32), S(4, False, "group", 32), S(4, True, "group", 12),
           S(8, False, "group", 5)]
MODES = [dict(), dict(activation_symmetric=True), dict(activation="static", x_scale=0.03, x_zero_point=117),
         dict(activation="none")]
SIZES = [(0, 16, 96), (1, 5, 96), (13, 40, 96), (29, 67, 160)]
Y = [None, dict(y_scale=0.05, y_zero_point=77), dict(y_scale=0.04, y_symmetric=True)]
GELU_ERROR = 1e-6
ids = str


def erf_gelu(v: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(v.double())


def values_of(y: torch.Tensor, n: int) -> np.ndarray:
    """(q - zero) * scale of a quantized activation of n values a row, through a linear whose weight is the identity."""
    return ops.linear_int8(y, torch.eye(n, dtype=torch.int8), None, torch.ones(1)).numpy()


def steps(v: np.ndarray, post_op: str, gamma, residual) -> tuple[np.ndarray, float]:
    """The steps in float32, and by how much GELU may be off in the result."""
    error = 0.0
    if post_op == "gelu":
        v = erf_gelu(torch.from_numpy(v)).numpy().astype(f32)
        error = GELU_ERROR + 6e-8 * float(np.abs(v).max(initial=0))
    if post_op == "relu":
        v = np.maximum(v, f32(0))
    if gamma is not None:
        v = v * gamma.numpy()
        error *= float(np.abs(gamma.numpy()).max())
    if residual is not None:
        v = residual.numpy() + v
    if error:
        error += 2.4e-7 * float(np.abs(v).max(initial=0))
    return v, error


def check_float(got: torch.Tensor, want: np.ndarray, error: float) -> None:
    assert got.dtype == torch.float32 and got.shape == want.shape
    if error:
        assert np.abs(got.numpy() - want).max(initial=0) <= error
    else:
        np.testing.assert_array_equal(got.numpy(), want)


def check_quantized(got: torch.Tensor, want: np.ndarray, error: float, y: dict) -> None:
    n, zero = want.shape[-1], y.get("y_zero_point", 0)
    assert got.dtype == torch.uint8 and got.shape == (*want.shape[:-1], (n + 7) // 8 * 8 + 12 + n % 8)
    values = values_of(got, n)
    q = qref.static_activation(want, y["y_scale"], zero, y.get("y_symmetric", False))
    exact = q.astype(f32) * f32(y["y_scale"])
    if error:  # next to a rounding boundary either neighbour is right
        near = np.abs((want / f32(y["y_scale"])) % 1 - 0.5) < 2 * error / y["y_scale"] + 1e-4
        exact, values = exact[~near], values[~near]
    np.testing.assert_array_equal(values, exact)


@pytest.mark.parametrize("mode", MODES, ids=ids)
@pytest.mark.parametrize("scheme", SCHEMES, ids=ids)
def test_every_combination_equals_its_steps(scheme, mode):
    for m, n, k in SIZES:
        w = Weight(n, k, scheme)
        g = torch.Generator().manual_seed(m)
        x = torch.randn(m, k, generator=g) * 1.3 + 0.2
        gamma, same = torch.randn(n, generator=g), torch.randn(m, n, generator=g)
        for bias, post_op, scale, residual in itertools.product(
                [None, w.bias], ["none", "gelu", "relu"], [None, gamma], [None, same, same[:1], gamma]):
            product = w.linear(x, bias, **mode).numpy()
            if residual is not None and residual.dim() == 2 and not len(residual):
                continue
            want, error = steps(product, post_op, scale, residual)
            kw = dict(mode, post_op=post_op, gamma=scale)
            check_float(w.linear(x, bias, residual=residual, **kw), want, error)
            for y in Y[1:] if residual is None else []:
                check_quantized(w.linear(x, bias, **kw, **y), want, error, y)


@pytest.mark.parametrize("scheme", SCHEMES[:5], ids=ids)
def test_bias_is_a_step_of_its_own(scheme):
    w = Weight(33, 96, scheme)
    x = torch.randn(14, 96)
    np.testing.assert_array_equal(w.linear(x, w.bias).numpy(), w.linear(x).numpy() + w.bias.numpy())


@pytest.mark.parametrize("mode", MODES[:3], ids=ids)
@pytest.mark.parametrize("scheme", SCHEMES, ids=ids)
def test_a_quantized_x_gives_the_same_bits(scheme, mode):
    for m, n, k in SIZES:
        w = Weight(n, k, scheme)
        x = torch.randn(m, k) * 1.3 + 0.2
        q = ops.quantize_activation(x, **mode)
        assert torch.equal(w.linear(q, w.bias), w.linear(x, w.bias, **mode))
        fused = dict(post_op="gelu", gamma=w.bias, residual=torch.randn(m, n))
        assert torch.equal(w.linear(q, None, **fused), w.linear(x, None, **fused, **mode))


@pytest.mark.parametrize("scheme", [S(8, True), S(8, False)], ids=ids)
def test_a_canonical_weight_gives_the_same_bits(scheme):
    w = Weight(33, 96, scheme)
    x = torch.randn(7, 96)
    q = ops.quantize_activation(x)
    kw = dict(post_op="relu", gamma=w.bias)
    for y in [dict(residual=torch.randn(7, 33)), dict(y_scale=0.1, y_zero_point=3)]:
        assert torch.equal(w.canonical(x, w.bias, **kw, **y), w.linear(x, w.bias, **kw, **y))
        assert torch.equal(w.canonical(q, w.bias, **kw, **y), w.linear(x, w.bias, **kw, **y))


@pytest.mark.parametrize("first", SCHEMES, ids=ids)
@pytest.mark.parametrize("second", SCHEMES, ids=ids)
def test_linears_in_a_row(first, second):
    """u8 from one linear to the next: as if the float between them were quantized."""
    hidden_size = 64 if second.group_size == 32 else 60
    a, b = Weight(hidden_size, 64, first), Weight(35, hidden_size, second)
    x = torch.randn(2, 15, 64)
    hidden = a.linear(x, a.bias, post_op="relu")
    stored = a.linear(x, a.bias, post_op="relu", y_scale=0.02, y_zero_point=9)
    static = dict(activation="static", x_scale=0.02, x_zero_point=9)
    assert torch.equal(b.linear(stored, b.bias), b.linear(hidden, b.bias, **static))
    assert torch.equal(b.linear(stored, b.bias), b.linear(ops.quantize_activation(hidden, **static), b.bias))


@pytest.mark.parametrize("scheme", [S(8, True), S(4, True, "group", 32)], ids=ids)
@pytest.mark.parametrize("mode", [dict(), dict(activation="none")], ids=ids)
def test_dtypes(scheme, mode):
    """Rounded once, to promote_types(x's dtype, residual's)."""
    w = Weight(20, 64, scheme)
    x = torch.randn(6, 64).bfloat16()
    product = w.linear(x.float(), w.bias, **mode)
    for dtype in [torch.float32, torch.bfloat16, torch.float16, torch.float64]:
        r = torch.randn(6, 20).to(dtype)
        y = w.linear(x, w.bias.double().float(), residual=r, gamma=w.bias.bfloat16(), **mode)
        want = torch.promote_types(torch.bfloat16, dtype)
        assert y.dtype == want
        exact = r.to(torch.promote_types(torch.float32, dtype)) + product * w.bias.bfloat16().float()
        assert torch.equal(y, exact.to(want))
    assert w.linear(x, w.bias, post_op="relu", **mode).dtype == torch.bfloat16


@pytest.mark.parametrize("scheme", [S(8, True), S(4, True, "group", 32)], ids=ids)
def test_dtype_of_a_quantized_x(scheme):
    w = Weight(20, 64, scheme)
    x = torch.randn(6, 64).bfloat16()
    q, y = ops.quantize_activation(x), w.linear(x.float(), w.bias)
    assert torch.equal(w.linear(q, w.bias), y)
    for dtype in [torch.float32, torch.bfloat16, torch.float16]:
        assert torch.equal(w.linear(q, w.bias, dtype=dtype), y.to(dtype))
    r = torch.randn(6, 20).bfloat16()
    got = w.linear(q, w.bias, dtype=torch.bfloat16, residual=r)
    assert got.dtype == torch.bfloat16 and torch.equal(got, (r.float() + y).bfloat16())
    assert w.linear(q, w.bias, residual=r).dtype == torch.float32


def test_shapes_and_strides():
    w = Weight(20, 64, S())
    for shape in [(64,), (1, 64), (0, 64), (2, 3, 64), (2, 0, 64), (2, 1, 5, 64)]:
        x = torch.randn(shape)
        r = torch.randn(*shape[:-1], 20)
        y = w.linear(x, w.bias, residual=r)
        assert torch.equal(y, r + w.linear(x, w.bias))
        strided = torch.randn(20, *shape[:-1]).movedim(0, -1)
        assert torch.equal(w.linear(x, w.bias, residual=strided), strided + w.linear(x, w.bias))
        q = w.linear(x, w.bias, y_scale=0.1)
        assert q.shape == (*shape[:-1], 40) and q.dtype == torch.uint8
    x = torch.randn(6, 64)
    for r in [torch.randn(20), torch.randn(1, 20), torch.randn(6, 1), torch.randn(()), torch.randn(3, 6, 20),
              torch.randn(1, 1, 6, 20)]:
        y = w.linear(x, w.bias, residual=r)
        assert torch.equal(y, r + w.linear(x, w.bias)) and y.shape == torch.broadcast_shapes(r.shape, (6, 20))
    spread = torch.randn(40)[::2]  # bias and gamma in strides
    assert torch.equal(w.linear(x, spread, gamma=spread), w.linear(x, spread.contiguous(), gamma=spread.contiguous()))


@pytest.mark.parametrize("scheme", SCHEMES[:5], ids=ids)
@pytest.mark.parametrize("begin, end", [(0, 0), (0, 1), (3, 20), (17, 49), (30, -1)])
def test_row_slices(scheme, begin, end):
    """Columns of the result begin anywhere inside a panel, of u8 results too."""
    w = Weight(70, 96, scheme)
    stop = 70 if end == -1 else end
    x, r = torch.randn(14, 96), torch.randn(14, 70)
    kw = dict(post_op="gelu", row_begin=begin, row_end=end)
    part = slice(begin, stop)
    y = w.linear(x, w.bias[part], gamma=w.bias[part], residual=r[:, part], **kw)
    assert torch.equal(y, w.linear(x, w.bias, post_op="gelu", gamma=w.bias, residual=r)[:, part])
    whole = values_of(w.linear(x, w.bias, post_op="gelu", y_scale=0.05, y_zero_point=7), 70)
    got = w.linear(x, w.bias[part], y_scale=0.05, y_zero_point=7, **kw)
    if stop > begin:
        np.testing.assert_array_equal(values_of(got, stop - begin), whole[:, part])


@pytest.mark.parametrize("scheme", SCHEMES, ids=ids)
def test_bits_do_not_depend_on_the_batch_threads_or_run(scheme):
    w, last = Weight(100, 160, scheme), Weight(30, 100, S(8, False))
    x, r = torch.randn(50, 160), torch.randn(50, 100)

    def run(rows):
        y = w.linear(x[rows], w.bias, post_op="gelu", gamma=w.bias, residual=r[rows])
        return y, last.linear(w.linear(x[rows], w.bias, post_op="gelu", y_scale=0.05, y_zero_point=7))

    whole = run(slice(None))
    for rows in [slice(0, 1), slice(49, 50), slice(3, 32), slice(0, 13), slice(0, 50)]:
        for got, want in zip(run(rows), whole, strict=True):
            assert torch.equal(got, want[rows])
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3, 5):
            torch.set_num_threads(count)
            for got, want in zip(run(slice(None)), whole, strict=True):
                assert torch.equal(got, want)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("scheme", SCHEMES, ids=ids)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_stays_alone(scheme, value):
    w, last = Weight(35, 160, scheme), Weight(20, 35, S(8, False))
    clean = torch.randn(14, 160)
    x = clean.clone()
    x[5, 17] = value
    keep = torch.arange(14) != 5
    for kw in [dict(residual=torch.randn(14, 35)), dict(post_op="gelu"), dict(post_op="relu")]:
        y = w.linear(x, w.bias, **kw)
        assert y[5].isnan().all() and torch.equal(y[keep], w.linear(clean, w.bias, **kw)[keep])
    for y in Y[1:]:
        q, reference = w.linear(x, w.bias, **y), w.linear(clean, w.bias, **y)
        got = last.linear(q)
        assert got[5].isnan().all() and torch.equal(got[keep], last.linear(reference)[keep])


def test_a_result_that_is_not_finite_makes_its_row_nan():
    w, last = Weight(35, 64, S()), Weight(20, 35, S(8, False))
    x, bias = torch.randn(14, 64), w.bias.clone()
    stored = w.linear(x, bias, post_op="relu", y_scale=0.05)
    gamma = torch.ones(35)
    gamma[7] = float("inf")  # relu's zeros become NaN, the others Inf
    assert last.linear(w.linear(x, bias, post_op="relu", gamma=gamma, y_scale=0.05)).isnan().all()
    assert last.linear(stored).isfinite().all()


def test_what_is_stored_for_a_nan_row_is_zero():
    """The same bytes as quantize_activation's, so that nothing undefined lies in a tensor."""
    w = Weight(35, 64, S())
    x = torch.randn(14, 64)
    x[5, 17] = float("nan")
    for y, static in [(Y[1], dict(x_scale=0.05, x_zero_point=77)), (Y[2], dict(x_scale=0.04, activation_symmetric=True))]:
        stored = w.linear(x, w.bias, **y).flatten()
        want = ops.quantize_activation(w.linear(x, w.bias), activation="static", **static).flatten()
        without_sums = 14 * (40 + 8)
        assert stored[:14 * 40].equal(want[:14 * 40])
        scales = [t[14 * 40:without_sums].view(torch.float32)[:14] for t in (stored, want)]
        assert torch.equal(*(s.nan_to_num(-1) for s in scales)) and scales[0].isnan().sum() == 1
        zeros = [t[14 * 44:without_sums].view(torch.int32) for t in (stored, want)]
        assert torch.equal(*zeros) and zeros[0][5] == 0
        assert (stored[without_sums : 14 * 52].view(torch.int32) == -1).all()


class Block(torch.nn.Module):
    """fc1, GELU, fc2, LayerScale and the residual, as the passes write it."""

    def __init__(self, a: Weight, b: Weight):
        super().__init__()
        self.register_buffer("a", a.packed)
        self.register_buffer("b", b.packed)
        self.register_buffer("gamma", b.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = torch.ops.vqt.quantize_activation(x)
        h = torch.ops.vqt.linear_int8(q, self.a, post_op="gelu", y_scale=0.05, y_zero_point=7)
        return torch.ops.vqt.linear_int8(h, self.b, gamma=self.gamma, residual=x)


def test_script_trace_and_compile(tmp_path):
    a, b = Weight(128, 64, S()), Weight(64, 128, S(8, False))
    module, x = Block(a, b), torch.randn(2, 5, 64)
    y = module(x)
    want = x + b.linear(a.linear(x, post_op="gelu"), activation="static", x_scale=0.05, x_zero_point=7) * b.bias
    assert torch.equal(y, want)
    scripted = torch.jit.script(module)
    scripted.save(str(tmp_path / "m.pt"))
    assert torch.equal(torch.jit.load(str(tmp_path / "m.pt"))(x), y)
    assert torch.equal(torch.jit.trace(module, x)(x[:1]), y[:1])
    exported = torch.export.export(module, (x,), dynamic_shapes=({1: torch.export.Dim("tokens", min=2)},))
    longer = torch.randn(2, 9, 64)
    assert torch.equal(exported.module()(longer), module(longer))


@pytest.mark.parametrize("scheme", [S(8, True), S(8, False), S(4, True, "group", 32), S(4, False, "group", 7)], ids=ids)
def test_opcheck(scheme):
    w = Weight(20, 64, scheme)
    x, r = torch.randn(2, 3, 64), torch.randn(2, 3, 20)
    q = ops.quantize_activation(x)
    fused = [dict(post_op="gelu", gamma=w.bias, residual=r), dict(residual=r[0, 0].bfloat16()), dict(residual=r.double()),
             dict(post_op="relu", y_scale=0.05, y_zero_point=3), dict(y_scale=0.05, y_symmetric=True)]
    for args in fused:
        torch.library.opcheck(w.op.default, (x, w.packed, w.bias), args)
        torch.library.opcheck(w.op.default, (q, w.packed, w.bias), args)
    torch.library.opcheck(w.op.default, (x, w.packed, w.bias), dict(fused[0], activation="none"))
    torch.library.opcheck(w.op.default, (x.bfloat16(), w.packed, w.bias), fused[0])
    torch.library.opcheck(w.op.default, (q, w.packed, w.bias), dict(dtype=torch.bfloat16))


def _errors():
    w8, w4, x = Weight(20, 64, S()), Weight(20, 64, S(4, True, "group", 32)), torch.randn(3, 64)
    q, r = ops.quantize_activation(x), torch.randn(3, 20)
    i8, i4 = ops.linear_int8, ops.linear_int4
    V, T = (ValueError, RuntimeError), (TypeError, RuntimeError)
    return [
        (V, lambda: i8(x, w8.packed, post_op="tanh"), r"linear_int8: post_op: expected none, gelu or relu, got \"tanh\""),
        (V, lambda: i4(x, w4.packed, gamma=r[0, :5]), r"linear_int4: gamma: expected sizes that broadcast with the result's \[3, 20\], got float32 \[5\]"),
        (T, lambda: i8(x, w8.packed, gamma=r[0].double(), y_scale=0.1),
         r"gamma: expected a dtype with which the result is float32, bfloat16 or float16, with y_scale, got float64 \[20\]"),
        (V, lambda: i8(x, w8.packed, residual=r[:, :7]), r"residual: expected sizes that broadcast with the result's \[3, 20\], got float32 \[3, 7\]"),
        (V, lambda: i8(x, w8.packed, residual=r, y_scale=0.1), r"residual: expected None with y_scale, got float32 \[3, 20\]"),
        (V, lambda: i8(x, w8.packed, dtype=torch.float32), r"dtype: expected None with a float x: the result has the dtype of x"),
        (V, lambda: i8(q, w8.packed, dtype=torch.float32, y_scale=0.1), r"dtype: expected None with y_scale, got float32"),
        (T, lambda: i8(q, w8.packed, dtype=torch.int8), r"dtype: expected float32, bfloat16 or float16, got int8"),
        (V, lambda: i8(x, w8.packed, y_scale=-1.0), r"y_scale: expected a positive float32, or 0, got -1"),
        (V, lambda: i8(x, w8.packed, y_scale=float("inf")), r"y_scale: expected a positive float32, or 0, got inf"),
        (V, lambda: i8(x, w8.packed, y_zero_point=3), r"y_zero_point: expected 0 without y_scale, got 3"),
        (V, lambda: i8(x, w8.packed, y_symmetric=True), r"y_symmetric: expected false without y_scale, got true"),
        (V, lambda: i8(x, w8.packed, y_scale=0.1, y_zero_point=256), r"y_zero_point: expected 0 to 255, got 256"),
        (V, lambda: i8(x, w8.packed, y_scale=0.1, y_zero_point=1, y_symmetric=True), r"y_zero_point: expected 0 with y_symmetric, got 1"),
        (V, lambda: i8(q, w8.packed, activation="static", x_scale=0.1), r"activation: expected its default with a quantized x, .* got \"static\""),
        (V, lambda: i8(q, w8.packed, activation="none"), r"activation: expected its default with a quantized x"),
        (V, lambda: i8(q, w8.packed, activation_symmetric=True), r"activation_symmetric: expected its default with a quantized x"),
        (V, lambda: i8(q, Weight(20, 96, S()).packed), r"x: expected \[\.\.\., 108\], a quantized activation of the weight's 96 columns, got uint8 \[3, 76\]"),
        (V, lambda: i8(q[:2], w8.packed), r"x: expected a quantized activation as an op returned it, at most reshaped, got a part"),
        (V, lambda: i8(q.expand(2, 3, 76), w8.packed), r"x: expected a quantized activation as an op returned it"),
        (V, lambda: i8(q.sum().byte(), w8.packed), r"x: expected at least 1 dimension, got uint8 \[\]"),
        (T, lambda: i4(q, w4.q, None, w4.scale, group_size=32), r"x: expected a float tensor with a canonical weight, .* got uint8 \[3, 76\]"),
    ]


@pytest.mark.parametrize("index", range(len(_errors())))
def test_errors(index):
    error, call, text = _errors()[index]
    with pytest.raises(error, match=text):
        call()


def test_meta_gives_the_same_errors():
    w = Weight(20, 64, S())
    x, packed = torch.randn(3, 64, device="meta"), w.packed.to("meta")
    assert ops.linear_int8(x, packed, y_scale=0.1).shape == (3, 40)
    assert ops.linear_int8(x, packed, residual=torch.empty(2, 3, 20, device="meta")).shape == (2, 3, 20)
    for kw, text in [(dict(post_op="tanh"), "post_op: expected"), (dict(y_scale=-1.0), "y_scale: expected"),
                     (dict(residual=torch.empty(7, device="meta")), "residual: expected")]:
        with pytest.raises((ValueError, RuntimeError), match=text):
            ops.linear_int8(x, packed, **kw)
