"""linear_int16 against a float64 product of the dequantized weight."""

import pytest
import torch

ops = torch.ops.vqt
NONE = torch.zeros(1, dtype=torch.int32)


def problem(m: tuple[int, ...], n: int, k: int, per_channel: bool):
    g = torch.Generator().manual_seed(n * 100 + k)
    x = torch.randn(*m, k, generator=g)
    weight = torch.randint(-32767, 32768, (n, k), generator=g, dtype=torch.int16)
    scale = (torch.rand(n if per_channel else 1, generator=g) + 0.5) / 32767
    return x, weight, scale, torch.randn(n, generator=g)


def expected(x, weight, scale, bias=None):
    y = x.double() @ (weight.double() * scale.double()[:, None]).t()
    return y if bias is None else y + bias.double()


def pack(weight, scale):
    granularity = "per_tensor" if scale.numel() == 1 else "per_channel"
    zero = torch.zeros(scale.numel(), dtype=torch.int32)
    return ops.pack_weight(weight, scale, zero, 16, True, granularity)


@pytest.mark.parametrize("m", [(), (1,), (7,), (2, 3), (0,), (2, 0, 3)], ids=str)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 9), (16, 64), (255, 33), (256, 8), (257, 40), (600, 12)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_equals_the_float64_product(m, n, k, per_channel) -> None:
    x, weight, scale, bias = problem(m, n, k, per_channel)
    for b in (None, bias):
        want = expected(x, weight, scale, b)
        got = ops.linear_int16(x, weight, b, scale)
        assert got.dtype == torch.float32
        assert got.shape == (*m, n)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-5)
        assert torch.equal(ops.linear_int16(x, pack(weight, scale), b), got)  # packed: the same numbers


def test_weights_larger_than_the_scratch() -> None:
    """16 rows of 131072 columns fit the scratch: 40 rows take three blocks, the last a short one."""
    x, weight, scale, bias = problem((2,), 40, 2**17, True)
    want = expected(x, weight, scale, bias)
    got = ops.linear_int16(x, weight, bias, scale)
    assert (got - want).abs().max() <= 1e-5 * want.abs().max()
    part = ops.linear_int16(x, pack(weight, scale), bias[3:39], row_begin=3, row_end=39)
    assert (part - want[:, 3:39]).abs().max() <= 1e-5 * want.abs().max()


@pytest.mark.parametrize(("begin", "end"), [(0, 4), (3, 10), (250, 300), (0, -1), (299, -1), (5, 5)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_slices_of_rows(begin: int, end: int, per_channel: bool) -> None:
    x, weight, scale, bias = problem((4,), 300, 24, per_channel)
    rows = slice(begin, None if end == -1 else end)
    want = expected(x, weight, scale)[:, rows] + bias[rows].double()
    for w, s in [(weight, scale), (pack(weight, scale), None)]:
        got = ops.linear_int16(x, w, bias[rows], s, row_begin=begin, row_end=end)
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("m", [1, 16, 20, 40])
def test_any_number_of_threads_gives_the_same_bits(m: int) -> None:
    x, weight, scale, bias = problem((m,), 600, 512, True)
    w8 = (weight >> 8).clamp(-127, 127).char()
    p8 = ops.pack_weight(w8, scale, torch.zeros(600, dtype=torch.int32), 8, True, "per_channel")
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            results.append((ops.linear_int16(x, weight, bias, scale), ops.linear_int8(x, p8, bias, activation="none")))
    finally:
        torch.set_num_threads(before)
    for y16, y8 in results[1:]:
        assert torch.equal(y16, results[0][0]) and torch.equal(y8, results[0][1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_round_once_at_the_end(dtype: torch.dtype) -> None:
    x, weight, scale, bias = problem((3, 5), 20, 48, True)
    half, half_bias = x.to(dtype), bias.to(dtype)
    got = ops.linear_int16(half, weight, half_bias, scale)
    assert got.dtype == dtype
    assert torch.equal(got, ops.linear_int16(half.float(), weight, half_bias.float(), scale).to(dtype))


def test_strides_grad_and_autocast() -> None:
    x, weight, scale, bias = problem((6,), 20, 48, True)
    want = ops.linear_int16(x, weight, bias, scale)
    assert torch.equal(ops.linear_int16(x.t().contiguous().t(), weight.t().contiguous().t(), bias, scale), want)
    with torch.enable_grad():
        got = ops.linear_int16(x.clone().requires_grad_(), weight, bias.clone().requires_grad_(), scale)
    assert torch.equal(got.detach(), want)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ops.linear_int16(x, weight, bias, scale), want)


def test_nan_and_inf_follow_float_rules() -> None:
    x, weight, scale, bias = problem((4,), 20, 48, True)
    good = ops.linear_int16(x, weight, bias, scale)
    x[1, 3] = float("nan")
    x[2, 3] = float("inf")
    got = ops.linear_int16(x, weight, bias, scale)
    assert got[1].isnan().all()
    assert torch.equal(got[2], torch.where(weight[:, 3] > 0, 1.0, -1.0) * float("inf"))
    assert torch.equal(got[[0, 3]], good[[0, 3]])


def test_more_bits_than_eight() -> None:
    """The whole point: a weight's error is 2^-16 of its range."""
    w = torch.randn(64, 256, generator=torch.Generator().manual_seed(1))
    x = torch.randn(32, 256, generator=torch.Generator().manual_seed(2))
    scale, zero = ops.choose_qparams(w, 16, True, "per_channel")
    y = ops.linear_int16(x, ops.quantize(w, scale, zero, 16, True, "per_channel"), None, scale)
    want = x.double() @ w.double().t()
    assert 10 * torch.log10(want.pow(2).mean() / (y - want).pow(2).mean()) > 85


X, W, S, B = problem((2,), 6, 10, True)
PACKED8 = ops.pack_weight(W.char(), S, torch.zeros(6, dtype=torch.int32), 8, True, "per_channel")
ERRORS = [
    (
        lambda: ops.linear_int16(X.double(), W, B, S),
        TypeError,
        "vqt::linear_int16: x: expected float32, bfloat16 or float16, got float64 [2, 10]",
    ),
    (
        lambda: ops.linear_int16(X[:, :9], W, B, S),
        ValueError,
        "x: expected [..., 10] as the weight has 10 columns, got float32 [2, 9]",
    ),
    (
        lambda: ops.linear_int16(X[0, 0], W, B, S),
        ValueError,
        "x: expected [..., 10] as the weight has 10 columns, got float32 []",
    ),
    (
        lambda: ops.linear_int16(X, W.char(), B, S),
        TypeError,
        "weight: expected int16 [N, K] with scale, or packed uint8 [N, bytes] without, got int8 [6, 10]",
    ),
    (
        lambda: ops.linear_int16(X, W[0], B, S),
        ValueError,
        "weight: expected int16 [N, K] with scale, or packed uint8 [N, bytes] without, got int16 [10]",
    ),
    (
        lambda: ops.linear_int16(X, W, B),
        ValueError,
        "scale: expected float32 [1] or [N] with an int16 weight, got None",
    ),
    (
        lambda: ops.linear_int16(X, W, B, S[:4]),
        ValueError,
        "scale: expected float32 [1] or [N] for a weight int16 [6, 10], got float32 [4]",
    ),
    (
        lambda: ops.linear_int16(X, W, B[:5], S),
        ValueError,
        "bias: expected [6], one number for each row of the weight that is used, got float32 [5]",
    ),
    (
        lambda: ops.linear_int16(X, W, B.int(), S),
        TypeError,
        "bias: expected float32, bfloat16 or float16, got int32 [6]",
    ),
    (
        lambda: ops.linear_int16(X, W, None, S, row_begin=7),
        ValueError,
        "row_begin: expected 0 to 6 for a weight of 6 rows, got 7",
    ),
    (
        lambda: ops.linear_int16(X, W, None, S, row_begin=3, row_end=2),
        ValueError,
        "row_end: expected 3 to 6 (or -1) for a weight of 6 rows, got 2",
    ),
    (
        lambda: ops.linear_int16(X, PACKED8),
        ValueError,
        "weight: expected a packed weight of 16 bits, got one of 8",
    ),
    (
        lambda: ops.linear_int16(X[:, :9], pack(W, S)),
        ValueError,
        "x: expected [..., 10] as the weight has 10 columns, got float32 [2, 9]",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[text[:60] for _, _, text in ERRORS])
def test_errors(call, error, text) -> None:
    with pytest.raises(error) as caught:
        call()
    first = str(caught.value).split("\n")[0]
    assert first.startswith("vqt::linear_int16: ")
    assert text in first
