"""choose_qparams, quantize and dequantize against numpy, hand-worked numbers and torch's own quantizers."""

import numpy as np
import pytest
import qref
import torch
from qref import Scheme, f32

ops = torch.ops.vqt
SHAPES = [(1, 1), (1, 9), (3, 9), (5, 7), (4, 8), (2, 64), (7, 33), (16, 64), (3, 130), (17, 31), (6, 256)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("s", qref.SCHEMES, ids=str)
def test_equals_numpy(s: Scheme, shape: tuple[int, int]) -> None:
    k = shape[1]
    for kind, x in qref.weights(*shape).items():
        scale, zero = qref.qparams(x, s)
        q = qref.integers(x, scale, zero, s)
        tx = torch.from_numpy(x)
        got_scale, got_zero = ops.choose_qparams(tx, *s.args)
        qref.equal(got_scale, scale, f"{kind}: scale")
        qref.equal(got_zero, zero, f"{kind}: zero")
        got_q = ops.quantize(tx, got_scale, got_zero, *s.args)
        qref.equal(got_q, qref.stored(q, s), f"{kind}: q")
        back = ops.dequantize(got_q, got_scale, got_zero, *s.args, k=k)
        qref.equal(back, qref.floats(q, scale, zero, s), f"{kind}: x'")


@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if s.group_size in (-1, 0, 7, 64)], ids=str)
def test_error_is_at_most_half_a_step(s: Scheme) -> None:
    x = qref.weights(9, 70)["normal"]
    scale, zero = ops.choose_qparams(torch.from_numpy(x), *s.args)
    back = ops.dequantize(ops.quantize(torch.from_numpy(x), scale, zero, *s.args), scale, zero, *s.args).numpy()
    step = qref.spread(scale.numpy(), *x.shape, s)
    # An asymmetric range may move by the rounding of its zero point: one step at its ends, half elsewhere.
    limit = 0.5 if s.symmetric else 1.0
    rounding = np.abs(x) * f32(2**-22)  # of float32 itself: 16 bits come near it
    assert (np.abs(back - x) <= step * f32(limit) + rounding).all()


def numbers(values: list[float], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([values], dtype=dtype)


# x, bits, symmetric -> scale, zero, q: worked by hand
HAND = [
    ([-127.0, 0.5, 1.5, 2.5, 126.5], 8, True, 1.0, 0, [-127, 0, 2, 2, 126]),
    ([-1.0, 0.25, 0.5], 8, True, 1 / 127, 0, [-127, 32, 64]),  # 31.75 -> 32, 63.5 -> 64
    ([-63.5, 0.25, 0.75], 8, True, 0.5, 0, [-127, 0, 2]),  # 0.5 -> 0, 1.5 -> 2
    ([0.0, 255.0, 0.5, 1.5], 8, False, 1.0, 0, [0, 255, 0, 2]),
    ([-3.0, 252.0, 0.5, 1.5], 8, False, 1.0, 3, [0, 255, 4, 4]),  # 3.5 -> 4, 4.5 -> 4
    ([10.0, 255.0], 8, False, 1.0, 0, [10, 255]),  # widened to hold 0
    ([-255.0, -10.0], 8, False, 1.0, 255, [0, 245]),
    ([-7.0, 3.5, 2.5, -0.5, 7.0], 4, True, 1.0, 0, [-7, 4, 2, 0, 7]),
    ([-5.0, 10.0, 0.5, 1.5], 4, False, 1.0, 5, [0, 15, 6, 6]),  # 5.5 -> 6, 6.5 -> 6
    ([-32767.0, 0.5, 1.5, 32766.5], 16, True, 1.0, 0, [-32767, 0, 2, 32766]),
    ([0.0, -0.0], 8, True, 1.0, 0, [0, 0]),
    ([0.0, 0.0], 8, False, 1.0, 0, [0, 0]),
    ([1e-44, -1e-44], 8, True, 1.0, 0, [0, 0]),  # max / 127 is 0
    ([1.4e-45, -1.4e-45], 4, False, 1.0, 0, [0, 0]),  # (max - min) / 15 is 0
]


@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
@pytest.mark.parametrize(("x", "bits", "symmetric", "scale", "zero", "q"), HAND)
def test_by_hand(x, bits, symmetric, scale, zero, q, granularity) -> None:
    s = Scheme(bits, symmetric, granularity)
    got_scale, got_zero = ops.choose_qparams(numbers(x), *s.args)
    assert got_scale.tolist() == [f32(scale)]
    assert got_zero.tolist() == [zero]
    got = ops.quantize(numbers(x), got_scale, got_zero, *s.args)
    qref.equal(got, qref.stored(np.array([q], np.int32), s), "q")
    back = ops.dequantize(got, got_scale, got_zero, *s.args, k=len(x))
    assert back.tolist() == [[float(f32(v - zero) * f32(scale)) for v in q]]


def test_int4_bytes_by_hand() -> None:
    x = numbers([1.0, -2.0, 7.0, -7.0, 3.0])
    one, none = torch.ones(1), torch.zeros(1, dtype=torch.int32)
    q = ops.quantize(x, one, none, 4, True, "per_tensor")
    assert q.tolist() == [[0xE1, 0x97, 0x03]]  # low nibble first, two's complement, the unused one 0
    assert ops.dequantize(q, one, none, 4, True, "per_tensor", k=5).tolist() == x.tolist()
    assert ops.dequantize(q, one, none, 4, True, "per_tensor").tolist() == [[1.0, -2.0, 7.0, -7.0, 3.0, 0.0]]


def test_groups_begin_with_a_row_and_its_last_is_short() -> None:
    x = torch.tensor([[1.0, 254.0, 127.0], [508.0, 5.0, 381.0]])
    scale, zero = ops.choose_qparams(x, 8, True, "group", 2)
    assert scale.tolist() == [2.0, 1.0, 4.0, 3.0]  # {1 254} {127}, {508 5} {381}
    q = ops.quantize(x, scale, zero, 8, True, "group", 2)
    assert q.tolist() == [[0, 127, 127], [127, 1, 127]]  # 0.5 -> 0, 1.25 -> 1
    assert ops.dequantize(q, scale, zero, 8, True, "group", 2).tolist() == [[0.0, 254.0, 127.0], [508.0, 4.0, 381.0]]


def grid(shape: tuple[int, ...], step: float) -> torch.Tensor:
    """Eighths of a step: every quotient is exact, so x / scale and x * (1 / scale) are the same."""
    return torch.randint(-2000, 2000, shape, generator=torch.Generator().manual_seed(3)).float() * (step / 8)


@pytest.mark.parametrize("zero", [0, 2, 64, 128, 254])  # even: then rounding before or after it is the same
@pytest.mark.parametrize("step", [0.25, 1.0, 2.0**-9])
def test_equals_torch_per_tensor(step: float, zero: int) -> None:
    x = grid((40, 50), step)
    want = torch.quantize_per_tensor(x, step, zero, torch.quint8)
    args = (torch.tensor([step]), torch.tensor([zero], dtype=torch.int32), 8, False, "per_tensor")
    got = ops.quantize(x, *args)
    assert torch.equal(got, want.int_repr())
    assert torch.equal(ops.dequantize(got, *args), want.dequantize())
    fake = torch.fake_quantize_per_tensor_affine(x, step, zero, 0, 255)
    assert torch.equal(ops.dequantize(got, *args), fake)


@pytest.mark.parametrize(("bits", "low"), [(8, -127), (4, -7), (16, -32767)])
def test_equals_torch_fake_quantize_per_channel(bits: int, low: int) -> None:
    scale = 2.0 ** torch.arange(-8.0, 12.0)
    zero = torch.zeros(20, dtype=torch.int32)
    x = grid((20, 77), 1.0) * scale[:, None]
    want = torch.fake_quantize_per_channel_affine(x, scale, zero, 0, low, -low)
    q = ops.quantize(x, scale, zero, bits, True, "per_channel")
    assert torch.equal(ops.dequantize(q, scale, zero, bits, True, "per_channel", k=77), want)


def test_equals_torch_per_channel_int8() -> None:
    scale = 2.0 ** torch.arange(-8.0, 12.0)
    x = (grid((20, 77), 1.0) * scale[:, None]).clamp(-127 * scale[:, None], 127 * scale[:, None])
    want = torch.quantize_per_channel(x, scale.double(), torch.zeros(20, dtype=torch.int64), 0, torch.qint8)
    got = ops.quantize(x, scale, torch.zeros(20, dtype=torch.int32), 8, True, "per_channel")
    assert torch.equal(got, want.int_repr())


@pytest.mark.parametrize("shift", [-5.0, -1.0, 0.0, 0.3, 4.0])
def test_asymmetric_qparams_equal_torch_observers(shift: float) -> None:
    from torch.ao.quantization.observer import MinMaxObserver, PerChannelMinMaxObserver

    x = torch.randn(30, 40, generator=torch.Generator().manual_seed(1)) + shift
    for observer, granularity in [
        (MinMaxObserver(dtype=torch.quint8), "per_tensor"),
        (PerChannelMinMaxObserver(dtype=torch.quint8), "per_channel"),
    ]:
        observer(x)
        scale, zero = observer.calculate_qparams()
        got_scale, got_zero = ops.choose_qparams(x, 8, False, granularity)
        assert torch.equal(got_scale, scale.float())
        assert torch.equal(got_zero, zero.int())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if s.group_size in (0, -1, 8)], ids=str)
def test_half_types_compute_in_float32(s: Scheme, dtype: torch.dtype) -> None:
    x = torch.from_numpy(qref.weights(5, 24)["normal"]).to(dtype)
    scale, zero = ops.choose_qparams(x, *s.args)
    want_scale, want_zero = ops.choose_qparams(x.float(), *s.args)
    assert scale.dtype == torch.float32
    assert torch.equal(scale, want_scale)
    assert torch.equal(zero, want_zero)
    q = ops.quantize(x, scale, zero, *s.args)
    assert torch.equal(q, ops.quantize(x.float(), scale, zero, *s.args))
    back = ops.dequantize(q, scale, zero, *s.args, dtype=dtype)
    assert back.dtype == dtype
    assert torch.equal(back, ops.dequantize(q, scale, zero, *s.args).to(dtype))


VIEWS = {
    "transposed": lambda x: x.t().contiguous().t(),
    "every second": lambda x: torch.stack([x, x * 0 - 9], dim=1).reshape(-1, x.shape[1])[::2],
    "columns": lambda x: torch.cat([x, x], dim=1)[:, : x.shape[1]],
    "offset": lambda x: torch.cat([x[:1], x])[1:],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if s.group_size in (0, 7)], ids=str)
def test_strides_do_not_matter(s: Scheme, view: str) -> None:
    x = torch.from_numpy(qref.weights(6, 10)["normal"])
    v = VIEWS[view](x)
    assert torch.equal(v, x)
    scale, zero = ops.choose_qparams(x, *s.args)
    assert torch.equal(ops.choose_qparams(v, *s.args)[0], scale)
    q = ops.quantize(x, scale, zero, *s.args)
    strided = torch.stack([scale, scale * 3], dim=1)[:, 0], torch.stack([zero, zero + 1], dim=1)[:, 0]
    assert torch.equal(ops.quantize(v, *strided, *s.args), q)
    assert torch.equal(ops.dequantize(VIEWS[view](q), *strided, *s.args), ops.dequantize(q, scale, zero, *s.args))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (2, 1, 3, 5)], ids=str)
@pytest.mark.parametrize(("bits", "symmetric"), qref.WIDTHS)
def test_per_tensor_takes_any_rank(bits: int, symmetric: bool, shape: tuple[int, ...]) -> None:
    if bits == 4 and shape == ():
        pytest.skip("4 bits need a last dimension")
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    scheme = (bits, symmetric, "per_tensor")
    scale, zero = ops.choose_qparams(x, *scheme)
    flat = x.reshape(-1, x.shape[-1] if shape else 1)
    assert torch.equal(ops.choose_qparams(flat, *scheme)[0], scale)
    q = ops.quantize(x, scale, zero, *scheme)
    want = ops.quantize(flat, scale, zero, *scheme)
    assert torch.equal(q.reshape(want.shape), want)
    assert q.shape[:-1] == x.shape[:-1]
    k = x.shape[-1] if shape and bits == 4 else -1
    assert torch.equal(
        ops.dequantize(q, scale, zero, *scheme, k=k).reshape(-1),
        ops.dequantize(want, scale, zero, *scheme, k=k).reshape(-1),
    )


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (0, 0)], ids=str)
@pytest.mark.parametrize("s", [s for s in qref.SCHEMES if s.group_size in (0, -1, 8)], ids=str)
def test_empty(s: Scheme, shape: tuple[int, int]) -> None:
    x = torch.empty(shape)
    scale, zero = ops.choose_qparams(x, *s.args)
    count = {"per_tensor": 1, "per_channel": shape[0], "group": shape[0] if s.group_size == -1 else 0}
    assert scale.tolist() == [1.0] * count[s.granularity]
    assert zero.tolist() == [0] * count[s.granularity]
    q = ops.quantize(x, scale, zero, *s.args)
    assert q.shape == (shape[0], (shape[1] + 1) // 2 if s.bits == 4 else shape[1])
    assert ops.dequantize(q, scale, zero, *s.args, k=shape[1]).shape == shape


def test_saturates_and_accepts_any_positive_scale() -> None:
    x = numbers([1e30, -1e30, 3e38, -3e38, 0.0])
    zero = torch.zeros(1, dtype=torch.int32)
    for scale in (1e-45, 1e-30, 1.0):
        assert ops.quantize(x, torch.tensor([scale]), zero, 8, True, "per_tensor").tolist() == [
            [127, -127, 127, -127, 0]
        ]
        assert ops.quantize(x, torch.tensor([scale]), zero + 7, 8, False, "per_tensor").tolist() == [
            [255, 0, 255, 0, 7]
        ]


def test_threads_do_not_change_a_bit() -> None:
    x = torch.from_numpy(qref.weights(301, 517)["normal"])
    before = torch.get_num_threads()
    try:
        for s in [
            Scheme(8, False, "per_tensor"),
            Scheme(8, True),
            Scheme(4, False, "group", 50),
            Scheme(16, True),
        ]:
            results = []
            for threads in (1, 2, 5):
                torch.set_num_threads(threads)
                scale, zero = ops.choose_qparams(x, *s.args)
                q = ops.quantize(x, scale, zero, *s.args)
                results.append((scale, zero, q, ops.dequantize(q, scale, zero, *s.args, k=517)))
            for other in results[1:]:
                assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    finally:
        torch.set_num_threads(before)


def test_arguments_are_left_alone() -> None:
    x = torch.randn(4, 6).half().t()
    copy = x.clone()
    scale, zero = ops.choose_qparams(x, 4, False, "group", 5)
    kept = scale.clone(), zero.clone()
    q = ops.quantize(x, scale, zero, 4, False, "group", 5)
    kept_q = q.clone()
    ops.dequantize(q, scale, zero, 4, False, "group", 5)
    assert torch.equal(x, copy) and torch.equal(q, kept_q)
    assert torch.equal(scale, kept[0]) and torch.equal(zero, kept[1])


X = torch.ones(3, 10)
S, Z = torch.ones(3), torch.zeros(3, dtype=torch.int32)
NAN = torch.ones(3, 10)
NAN[1, 4] = float("nan")
NAN[2, 0] = float("inf")
ERRORS = [
    (
        lambda: ops.choose_qparams(X.double(), 8, True, "per_tensor"),
        TypeError,
        "vqt::choose_qparams: x: expected float32, bfloat16 or float16, got float64 [3, 10]",
    ),
    (
        lambda: ops.choose_qparams(X.int(), 8, True, "per_tensor"),
        TypeError,
        "x: expected float32, bfloat16 or float16, got int32 [3, 10]",
    ),
    (
        lambda: ops.choose_qparams(X, 5, True, "per_tensor"),
        ValueError,
        "vqt::choose_qparams: bits: expected 4, 8 or 16, got 5",
    ),
    (
        lambda: ops.choose_qparams(X, 16, False, "per_tensor"),
        ValueError,
        "symmetric: expected true with 16 bits, got false",
    ),
    (
        lambda: ops.choose_qparams(X, 8, True, "per_row"),
        ValueError,
        'granularity: expected per_tensor, per_channel or group, got "per_row"',
    ),
    (
        lambda: ops.choose_qparams(X, 8, True, "group"),
        ValueError,
        "group_size: expected 1 or more, or -1 for a whole row, got 0",
    ),
    (
        lambda: ops.choose_qparams(X, 8, True, "group", -2),
        ValueError,
        "group_size: expected 1 or more, or -1 for a whole row, got -2",
    ),
    (
        lambda: ops.choose_qparams(X, 8, True, "per_channel", 64),
        ValueError,
        "group_size: expected 0 with granularity per_channel, got 64",
    ),
    (
        lambda: ops.choose_qparams(X[0], 8, True, "per_channel"),
        ValueError,
        "x: expected [N, K] with granularity per_channel, got float32 [10]",
    ),
    (
        lambda: ops.choose_qparams(X[None], 4, True, "group", 8),
        ValueError,
        "x: expected [N, K] with granularity group, got float32 [1, 3, 10]",
    ),
    (
        lambda: ops.choose_qparams(NAN, 8, True, "per_channel"),
        ValueError,
        "vqt::choose_qparams: x: expected finite numbers, got 2 NaN or Inf, the first (nan) at [1, 4]",
    ),
    (
        lambda: ops.choose_qparams(NAN, 4, False, "group", 7),
        ValueError,
        "x: expected finite numbers, got 2 NaN or Inf, the first (nan) at [1, 4]",
    ),
    (
        lambda: ops.choose_qparams(-NAN[2], 8, False, "per_tensor"),
        ValueError,
        "x: expected finite numbers, got 1 NaN or Inf, the first (-inf) at [0]",
    ),
    (
        lambda: ops.quantize(X.long(), S, Z, 8, True, "per_channel"),
        TypeError,
        "vqt::quantize: x: expected float32, bfloat16 or float16, got int64 [3, 10]",
    ),
    (
        lambda: ops.quantize(NAN, S, Z, 8, True, "per_channel"),
        ValueError,
        "vqt::quantize: x: expected finite numbers, got 2 NaN or Inf, the first (nan) at [1, 4]",
    ),
    (
        lambda: ops.quantize(X, S[:2], Z, 8, True, "per_channel"),
        ValueError,
        "vqt::quantize: scale: expected float32 [3], got float32 [2]",
    ),
    (
        lambda: ops.quantize(X, S, Z[:2], 8, True, "per_channel"),
        ValueError,
        "vqt::quantize: zero_point: expected int32 [3], got int32 [2]",
    ),
    (
        lambda: ops.quantize(X, S, Z, 8, True, "per_tensor"),
        ValueError,
        "scale: expected float32 [1], got float32 [3]",
    ),
    (
        lambda: ops.quantize(X, S, Z, 4, True, "group", 7),
        ValueError,
        "scale: expected float32 [6], got float32 [3]",
    ),
    (
        lambda: ops.quantize(X, S[:, None], Z, 8, True, "per_channel"),
        ValueError,
        "scale: expected float32 [3], got float32 [3, 1]",
    ),
    (
        lambda: ops.quantize(X, S.half(), Z, 8, True, "per_channel"),
        TypeError,
        "scale: expected float32 [3], got float16 [3]",
    ),
    (
        lambda: ops.quantize(X, S, Z.long(), 8, True, "per_channel"),
        TypeError,
        "zero_point: expected int32 [3], got int64 [3]",
    ),
    (
        lambda: ops.quantize(X, S * torch.tensor([1.0, 0.0, 1.0]), Z, 8, True, "per_channel"),
        ValueError,
        "scale: expected positive finite numbers, got 0.000000 at 1",
    ),
    (
        lambda: ops.quantize(X, S / 0, Z, 8, True, "per_channel"),
        ValueError,
        "scale: expected positive finite numbers, got inf at 0",
    ),
    (
        lambda: ops.quantize(X, S, Z + 3, 8, True, "per_channel"),
        ValueError,
        "zero_point: expected 0 with symmetric, got 3 at 0",
    ),
    (
        lambda: ops.quantize(X, S, Z + 256, 8, False, "per_channel"),
        ValueError,
        "zero_point: expected 0 to 255, got 256 at 0",
    ),
    (
        lambda: ops.quantize(X, S, Z - 1, 4, False, "per_channel"),
        ValueError,
        "zero_point: expected 0 to 15, got -1 at 0",
    ),
    (
        lambda: ops.quantize(X[0, 0], S[:1], Z[:1], 4, True, "per_tensor"),
        ValueError,
        "x: expected at least 1 dimension, got float32 []",
    ),
    (
        lambda: ops.dequantize(X, S, Z, 8, True, "per_channel"),
        TypeError,
        "vqt::dequantize: q: expected int8 [..., K], got float32 [3, 10]",
    ),
    (
        lambda: ops.dequantize(X.char(), S, Z, 8, False, "per_channel"),
        TypeError,
        "q: expected uint8 [..., K], got int8 [3, 10]",
    ),
    (
        lambda: ops.dequantize(X.char(), S, Z, 4, True, "per_channel"),
        TypeError,
        "q: expected uint8 [..., ceil(K/2)], got int8 [3, 10]",
    ),
    (
        lambda: ops.dequantize(X.byte(), S, Z, 4, True, "per_channel", k=18),
        ValueError,
        "vqt::dequantize: k: expected 20 or one less for q uint8 [3, 10], got 18",
    ),
    (
        lambda: ops.dequantize(X.char(), S, Z, 8, True, "per_channel", k=9),
        ValueError,
        "k: expected 10 for q int8 [3, 10], got 9",
    ),
    (
        lambda: ops.dequantize(X.char(), S, Z, 8, True, "per_channel", dtype=torch.float64),
        TypeError,
        "dtype: expected float32, bfloat16 or float16, got float64",
    ),
    (
        lambda: ops.dequantize(X.byte(), S, Z, 4, True, "group", 7),
        ValueError,
        "scale: expected float32 [9], got float32 [3]",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[text[:60] for _, _, text in ERRORS])
def test_errors(call, error, text) -> None:
    with pytest.raises(error) as caught:
        call()
    first = str(caught.value).split("\n")[0]
    assert first.startswith("vqt::")
    assert text in first
