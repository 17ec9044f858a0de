"""quantize_per_token against numpy; the rule for rows that are not finite."""

import numpy as np
import pytest
import qref
import torch
from qref import Scheme

ops = torch.ops.vqt
SHAPES = [(1, 1), (1, 3), (2, 7), (5, 8), (3, 31), (4, 32), (3, 33), (9, 64), (2, 100), (3, 257), (2, 1024)]


def reference(x: np.ndarray, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s = Scheme(8, symmetric)
    scale, zero = qref.qparams(x, s)
    return qref.stored(qref.integers(x, scale, zero, s), s), scale[:, None], zero[:, None]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("symmetric", [False, True])
def test_equals_numpy(shape: tuple[int, int], symmetric: bool) -> None:
    for kind, x in qref.weights(*shape).items():
        for got, want in zip(
            ops.quantize_per_token(torch.from_numpy(x), symmetric), reference(x, symmetric), strict=True
        ):
            qref.equal(got, want, kind)


def test_is_asymmetric_unless_told() -> None:
    q, scale, zero = ops.quantize_per_token(torch.tensor([[-3.0, 252.0, 0.5, 1.5]]))
    assert q.tolist() == [[0, 255, 4, 4]]
    assert (q.dtype, scale.tolist(), zero.tolist()) == (torch.uint8, [[1.0]], [[3]])


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("leading", [(), (0,), (2, 3), (2, 0, 3), (1, 2, 2, 2)], ids=str)
def test_leading_dimensions(leading: tuple[int, ...], symmetric: bool) -> None:
    x = torch.randn(*leading, 13, generator=torch.Generator().manual_seed(5))
    q, scale, zero = ops.quantize_per_token(x, symmetric)
    assert q.shape == x.shape
    assert scale.shape == zero.shape == (*leading, 1)
    flat = ops.quantize_per_token(x.reshape(-1, 13), symmetric)
    assert torch.equal(q.reshape(-1, 13), flat[0])
    assert torch.equal(scale.reshape(-1, 1), flat[1])
    assert ((q.float() - zero) * scale - x).abs().max() <= scale.max() if x.numel() else True


def test_no_columns() -> None:
    q, scale, zero = ops.quantize_per_token(torch.empty(3, 0))
    assert q.shape == (3, 0)
    assert scale.tolist() == [[1.0]] * 3
    assert zero.tolist() == [[0]] * 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_row_that_is_not_finite_becomes_nan_alone(bad: float, symmetric: bool) -> None:
    x = torch.randn(4, 37, generator=torch.Generator().manual_seed(6))
    good = ops.quantize_per_token(x, symmetric)
    for column in range(37):
        broken = x.clone()
        broken[2, column] = bad
        q, scale, zero = ops.quantize_per_token(broken, symmetric)
        assert scale[2].isnan().all()
        assert q[2].eq(0).all() and zero[2].eq(0).all()
        rest = torch.tensor([0, 1, 3])
        assert torch.equal(q[rest], good[0][rest]) and torch.equal(scale[rest], good[1][rest])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("symmetric", [False, True])
def test_half_types_and_strides(dtype: torch.dtype, symmetric: bool) -> None:
    x = torch.randn(40, 12, generator=torch.Generator().manual_seed(8)).to(dtype).t()
    assert not x.is_contiguous()
    got = ops.quantize_per_token(x, symmetric)
    want = ops.quantize_per_token(x.float().contiguous(), symmetric)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    assert got[1].dtype == torch.float32


def test_threads_do_not_change_a_bit() -> None:
    x = torch.randn(777, 129, generator=torch.Generator().manual_seed(9))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(ops.quantize_per_token(x, True))
        assert all(torch.equal(a, b) for r in results[1:] for a, b in zip(results[0], r, strict=True))
    finally:
        torch.set_num_threads(before)


def test_errors() -> None:
    with pytest.raises(
        TypeError,
        match=r"vqt::quantize_per_token: x: expected float32, bfloat16 or float16, got int32 \[2, 3\]",
    ):
        ops.quantize_per_token(torch.ones(2, 3, dtype=torch.int32))
    with pytest.raises(
        ValueError, match=r"vqt::quantize_per_token: x: expected at least 1 dimension, got float32 \[\]"
    ):
        ops.quantize_per_token(torch.tensor(1.0))
