"""observe: what calibration streams into its four numbers."""

import math

import pytest
import torch

ops = torch.ops.vqt
INF = math.inf


def fresh() -> torch.Tensor:
    return torch.tensor([INF, -INF, 0.0, 0.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_minmax_streams(dtype: torch.dtype) -> None:
    s = fresh()
    seen = [torch.randn(3, 5, generator=torch.Generator().manual_seed(i)).to(dtype) * (i + 1) for i in range(5)]
    for i, x in enumerate(seen):
        ops.observe(x if i % 2 else x.t(), s)
        so_far = torch.stack(seen[: i + 1]).float()
        assert s.tolist() == [so_far.min().item(), so_far.max().item(), 15.0 * (i + 1), 0.0]


def test_big_tensors_on_several_threads() -> None:
    x = torch.randn(700_001, generator=torch.Generator().manual_seed(1))
    x[123_456], x[654_321] = 50.0, -60.0
    s = fresh()
    ops.observe(x, s)
    assert s.tolist() == [-60.0, 50.0, 700_001.0, 0.0]


def test_nan_and_inf_are_counted_and_left_out() -> None:
    s = fresh()
    ops.observe(torch.tensor([1.0, math.nan, -INF, 2.0, INF, -0.5]), s)
    assert s.tolist() == [-0.5, 2.0, 6.0, 3.0]
    ops.observe(torch.tensor([math.nan]), s)
    assert s.tolist() == [-0.5, 2.0, 7.0, 4.0]


def test_nothing_seen_changes_nothing() -> None:
    s = fresh()
    ops.observe(torch.empty(0, 4), s)
    assert s.tolist() == [INF, -INF, 0.0, 0.0]


def test_zeros_of_both_signs() -> None:
    s = fresh()
    ops.observe(torch.tensor([-0.0, 0.0]), s)
    assert s.tolist() == [0.0, 0.0, 2.0, 0.0]


def test_statistics_may_be_a_view() -> None:
    whole = torch.stack([fresh(), torch.full((4,), 9.0)], dim=1)
    ops.observe(torch.tensor([3.0, -4.0]), whole[:, 0])
    assert whole[:, 0].tolist() == [-4.0, 3.0, 2.0, 0.0]
    assert whole[:, 1].tolist() == [9.0] * 4


STATISTICS = "vqt::observe: statistics: expected float32 [4] = {min, max, values seen, NaN or Inf among them}"


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        (
            (torch.ones(2).int(), fresh()),
            TypeError,
            "vqt::observe: x: expected float32, bfloat16 or float16, got int32 [2]",
        ),
        (
            (torch.ones(2), fresh().double()),
            TypeError,
            STATISTICS + ", got float64 [4]",
        ),
        (
            (torch.ones(2), fresh()[:3]),
            ValueError,
            STATISTICS + ", got float32 [3]",
        ),
        (
            (torch.ones(2), fresh(), "percentile"),
            ValueError,
            'vqt::observe: method: expected minmax, the only method, got "percentile"',
        ),
    ],
)
def test_errors(args, error, text) -> None:
    with pytest.raises(error) as caught:
        ops.observe(*args)
    assert text in str(caught.value)
