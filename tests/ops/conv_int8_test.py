"""conv2d_int8 and conv_transpose2d_int8: exactly the integer definition (conv_ref), and close to a float64 convolution."""

from pathlib import Path

import conv_ref
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

ops = torch.ops.vqt


def randn(*sizes: int, seed: int = 1) -> Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(seed + 31 * sum(sizes)))


def packed(weight: Tensor, form: str) -> Tensor:
    matrix = ops.conv_matrix(weight, form)
    scheme = (8, True, "per_channel")
    scale, zero = ops.choose_qparams(matrix, *scheme)
    return ops.pack_weight(ops.quantize(matrix, scale, zero, *scheme), scale, zero, *scheme)


def error(got: Tensor, want: Tensor) -> float:
    return ((got.double() - want.double()).norm() / want.double().norm()).item()


def resized(x: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(x.double(), size=size, mode="bilinear", align_corners=True)


def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, form: str, stride: list[int], padding: list[int], **more
) -> Tensor:
    return ops.conv2d_int8(
        x, packed(weight, form), bias, form=form, out_channels=weight.size(0), kernel_size=list(weight.shape[2:]),
        stride=stride, padding=padding, **more,
    )  # fmt: skip


# form, kernel, stride, padding, error of Gaussian maps in float64
KINDS = [
    ("pointwise", [1, 1], [1, 1], [0, 0], 0.012),
    ("winograd", [3, 3], [1, 1], [1, 1], 0.018),
    ("winograd", [3, 3], [1, 1], [0, 0], 0.018),
    ("winograd", [3, 3], [1, 1], [2, 1], 0.018),
    ("windows", [3, 3], [2, 2], [1, 1], 0.013),
    ("windows", [3, 3], [1, 1], [1, 1], 0.013),
    ("windows", [2, 5], [3, 1], [0, 2], 0.013),
    ("windows", [1, 1], [2, 2], [0, 0], 0.012),
]
SIZES = [(1, 64, 6, 7, 32), (2, 48, 5, 4, 16), (3, 33, 7, 3, 17), (1, 40, 3, 5, 50), (2, 128, 9, 9, 64)]


@pytest.mark.parametrize("form, kernel, stride, padding, limit", KINDS)
def test_close_to_float64_and_exactly_the_definition(
    form: str, kernel: list[int], stride: list[int], padding: list[int], limit: float
) -> None:
    for n, c, h, w, out in SIZES:
        x, weight, bias = randn(n, c, h, w), randn(out, c, *kernel, seed=2) / c**0.5, randn(out, seed=3)
        y = conv(x, weight, bias, form, stride, padding)
        want = F.conv2d(x.double(), weight.double(), bias.double(), stride, padding)
        assert y.shape == want.shape and y.dtype == x.dtype and y.is_contiguous(memory_format=torch.channels_last)
        assert limit / 5 < error(y, want) < limit, (n, c, h, w, out)  # an error of 0 would be another computation
        expected = conv_ref.conv2d(x.numpy(), weight.numpy(), bias.numpy(), form, stride, padding)
        assert torch.equal(y, torch.from_numpy(expected))


@pytest.mark.parametrize("kernel", [[2, 2], [4, 4], [1, 3]])
def test_transposed(kernel: list[int]) -> None:
    for n, c, h, w, out in SIZES:
        x, weight, bias = randn(n, c, h, w), randn(c, out, *kernel, seed=2) / c**0.5, randn(out, seed=3)
        y = ops.conv_transpose2d_int8(x, packed(weight, "transposed"), bias, out_channels=out, kernel_size=kernel)
        want = F.conv_transpose2d(x.double(), weight.double(), bias.double(), stride=kernel)
        assert y.shape == want.shape and error(y, want) < 0.012
        expected = conv_ref.conv_transpose2d(x.numpy(), weight.numpy(), bias.numpy())
        assert torch.equal(y, torch.from_numpy(expected))


def test_what_is_added_before_it_is_stored() -> None:
    x, weight, bias = randn(2, 40, 7, 9), randn(24, 40, 3, 3, seed=2) / 6, randn(24, seed=3)
    residual, low = randn(2, 24, 7, 9, seed=4), randn(2, 24, 3, 5, seed=5)
    plain = conv(x, weight, bias, "winograd", [1], [1])
    for more in ({"residual": residual}, {"low": low}, {"residual": residual, "low": low}):
        arrays = {name: v.numpy() for name, v in more.items()}
        for relu in (False, True):
            y = conv(x, weight, bias, "winograd", [1], [1], relu=relu, **more)
            expected = conv_ref.conv2d(
                x.numpy(), weight.numpy(), bias.numpy(), "winograd", [1, 1], [1, 1], relu=relu, **arrays
            )
            assert torch.equal(y, torch.from_numpy(expected))
            want = plain + more.get("residual", 0) + (resized(low, [7, 9]).float() if "low" in more else 0)
            assert torch.allclose(y, want.relu() if relu else want, atol=1e-5)
    assert torch.equal(
        conv(x, weight, None, "winograd", [1], [1]), conv(x, weight, torch.zeros(24), "winograd", [1], [1])
    )


@pytest.mark.parametrize("size", [[13, 20], [1, 1], [5, 40], [3, 4], [30, 7]], ids=str)
def test_resized_on_the_way(size: list[int]) -> None:
    x, weight, bias = randn(2, 48, 6, 9), randn(32, 48, 3, 3, seed=2) / 7, randn(32, seed=3)
    y = conv(x, weight, bias, "winograd", [1], [1], x_size=size)
    assert torch.equal(y, conv(torch.from_numpy(conv_ref.resize(x.numpy(), *size)), weight, bias, "winograd", [1], [1]))
    assert error(y, F.conv2d(resized(x, size), weight.double(), bias.double(), padding=1)) < 0.018
    pos_x, pos_y = randn(24, size[1]), randn(24, size[0], seed=9)
    placed = conv_ref.resize(x.numpy(), *size)
    placed[:, :24] += pos_x.numpy()[:, None]
    placed[:, 24:] += pos_y.numpy()[:, :, None]
    y = conv(x, weight, bias, "winograd", [1], [1], x_size=size, pos_x=pos_x, pos_y=pos_y)
    assert torch.equal(y, conv(torch.from_numpy(placed), weight, bias, "winograd", [1], [1]))


@pytest.mark.parametrize("form", ["pointwise", "winograd", "windows"])
def test_strides_dtypes_batch_and_threads(form: str) -> None:
    kernel = [1, 1] if form == "pointwise" else [3, 3]
    x, weight, bias = randn(5, 64, 9, 11), randn(48, 64, *kernel, seed=2) / 8, randn(48, seed=3)
    padding = [kernel[0] // 2]
    y = conv(x, weight, bias, form, [1], padding)
    assert torch.equal(conv(x.to(memory_format=torch.channels_last), weight, bias, form, [1], padding), y)
    tokens = randn(5, 4 + 99, 64)
    tokens[:, 4:] = x.flatten(2).transpose(1, 2)
    view = tokens[:, 4:].transpose(1, 2).unflatten(2, (9, 11))
    assert torch.equal(conv(view, weight, bias, form, [1], padding), y)
    for i in range(5):
        assert torch.equal(conv(x[i : i + 1], weight, bias, form, [1], padding)[0], y[i])
    before = torch.get_num_threads()
    try:
        for threads in (1, 3, 7):
            torch.set_num_threads(threads)
            assert torch.equal(conv(x, weight, bias, form, [1], padding), y)
    finally:
        torch.set_num_threads(before)
    for dtype in (torch.bfloat16, torch.float16):
        short = x.to(dtype)
        wide = conv(short.float(), weight, bias, form, [1], padding)
        assert torch.equal(conv(short, weight, bias, form, [1], padding), wide.to(dtype))
        assert torch.equal(conv(short, weight, bias, form, [1], padding, dtype=torch.float32), wide)


def test_nothing_in_nothing_out() -> None:
    weight = randn(32, 64, 3, 3)
    assert conv(torch.empty(0, 64, 5, 6), weight, None, "winograd", [1], [1]).shape == (0, 32, 5, 6)
    y = ops.conv_transpose2d_int8(
        torch.empty(2, 64, 0, 6), packed(randn(64, 32, 2, 2), "transposed"), out_channels=32, kernel_size=[2]
    )
    assert y.shape == (2, 32, 0, 12)


def flags_of_page(address: int) -> list[str]:
    """VmFlags of the mapping that holds an address (proc(5)): hg is MADV_HUGEPAGE."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word = line.split()[0]
        if "-" in word:
            begin, end = (int(part, 16) for part in word.split("-"))
            inside = begin <= address < end
        elif word == "VmFlags:" and inside:
            return line.split()[1:]
    return []


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="a system without huge pages")
def test_large_results_are_on_huge_pages() -> None:
    y = conv(randn(1, 32, 512, 512), randn(32, 32, 1, 1), None, "pointwise", [1], [0])  # 32 MiB
    assert "hg" in flags_of_page(y.data_ptr() + y.nbytes // 2)


def test_nan_stays_in_its_tiles() -> None:
    x, weight = randn(1, 32, 9, 9), randn(16, 32, 3, 3, seed=2)
    good = conv(x, weight, None, "winograd", [1], [1])
    x[0, 3, 4, 5] = float("nan")
    y = conv(x, weight, None, "winograd", [1], [1])
    assert y[0, :, 3:6, 4:7].isnan().all()
    far = torch.ones(9, 9, dtype=torch.bool)
    far[2:6, 4:8] = False
    assert torch.equal(y[:, :, far], good[:, :, far])


def test_opcheck() -> None:
    x, weight, bias = randn(1, 32, 5, 6), randn(16, 32, 3, 3), randn(16)
    args = {"form": "winograd", "out_channels": 16, "kernel_size": [3], "padding": [1]}
    low = randn(1, 16, 2, 2)
    torch.library.opcheck(ops.conv_matrix.default, (weight, "winograd"))
    torch.library.opcheck(
        ops.conv2d_int8.default, (x, packed(weight, "winograd"), bias), {**args, "low": low, "relu": True}
    )
    torch.library.opcheck(
        ops.conv_transpose2d_int8.default,
        (x, packed(randn(32, 16, 2, 2), "transposed")),
        {"out_channels": 16, "kernel_size": [2]},
    )


GOOD = {"form": "winograd", "out_channels": 16, "kernel_size": [3], "padding": [1]}
ERRORS = [
    ({"form": "direct"}, ValueError, 'form: expected pointwise, winograd or windows, got "direct"'),
    ({"form": "pointwise"}, ValueError, "form: expected windows with a kernel, stride or padding other than 1, 1 and 0"),
    ({"stride": [2]}, ValueError, "form: expected windows with a kernel other than 3 x 3 or a stride other than 1"),
    ({"kernel_size": [3, 3, 3]}, (ValueError, RuntimeError), "kernel_size"),
    ({"padding": [-1]}, ValueError, "padding: expected one number or two, 0 or more, got [-1]"),
    ({"out_channels": 17}, ValueError, "weight: expected 512 rows, as conv_matrix makes them of 17 output channels"),
    ({"residual": torch.zeros(1, 16, 5, 5)}, RuntimeError, "The size of tensor a (6) must match the size of tensor b (5)"),
    ({"low": torch.zeros(1, 15, 2, 2)}, RuntimeError, "The size of tensor a (16) must match the size of tensor b (15)"),
    ({"pos_x": torch.zeros(16, 6)}, ValueError, "pos_y: expected both position tables or none of them, got None"),
    ({"pos_x": torch.zeros(16, 6), "pos_y": torch.zeros(16, 5)}, ValueError, "pos_x: expected None without x_size"),
    ({"x_size": [5, 7], "pos_x": torch.zeros(16, 6), "pos_y": torch.zeros(16, 5)}, ValueError, "pos_x: expected [16, 7], half of x's channels by width"),
    ({"dtype": torch.int8}, TypeError, "dtype: expected float32, bfloat16 or float16, got int8"),
]  # fmt: skip


@pytest.mark.parametrize("change, kind, message", ERRORS, ids=[e[2][:40] for e in ERRORS])
def test_errors(change: dict, kind: type, message: str) -> None:
    weight = packed(randn(16, 32, 3, 3), "winograd")
    with pytest.raises(kind) as caught:
        ops.conv2d_int8(torch.zeros(1, 32, 5, 6), weight, **{**GOOD, **change})
    assert message in str(caught.value)


def test_errors_of_tensors() -> None:
    weight = packed(randn(16, 32, 3, 3), "winograd")
    for x, w, kind, message in (
        (torch.zeros(1, 33, 5, 6), weight, ValueError, "x: expected the channels of a weight with 32 columns"),
        (torch.zeros(32, 5, 6), weight, ValueError, "x: expected [n, C, h, w], got float32 [32, 5, 6]"),
        (torch.zeros(1, 32, 5, 6, dtype=torch.int32), weight, TypeError, "x: expected float32, bfloat16 or float16"),
        (torch.zeros(1, 32, 5, 6), torch.zeros(256, 32), TypeError, "weight: expected a packed weight"),
    ):
        with pytest.raises(kind) as caught:
            ops.conv2d_int8(x, w, **GOOD)
        assert message in str(caught.value)
    scale, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)
    canonical = ops.pack_weight(
        torch.zeros(256, 32, dtype=torch.int8), scale, zero, 8, True, "per_tensor", layout="canonical"
    )
    with pytest.raises(ValueError, match="weight: expected 8 bits, symmetric.* got 8 bits, canonical"):
        ops.conv2d_int8(torch.zeros(1, 32, 5, 6), canonical, **GOOD)
    with pytest.raises(
        ValueError, match=r"weight: expected \[N, C, 3, 3\] with form=\"winograd\", got float32 \[4, 4, 5, 5\]"
    ):
        ops.conv_matrix(torch.zeros(4, 4, 5, 5), "winograd")


def test_sums_that_broadcast_or_promote_are_torchs() -> None:
    x, weight, bias = randn(2, 32, 6, 5), randn(32, 32, 3, 3, seed=2) / 6, randn(32, seed=3)
    plain = conv(x, weight, bias, "winograd", [1, 1], [1, 1])
    for other in (
        randn(1, 32, 1, 1), torch.tensor(0.5), randn(5), randn(3, 2, 32, 6, 5), randn(2, 32, 6, 5).double(),
        torch.arange(5), randn(2, 32, 6, 5).half(), randn(2, 32, 6, 5),
    ):  # fmt: skip
        y = conv(x, weight, bias, "winograd", [1, 1], [1, 1], residual=other, relu=True)
        want = F.relu(plain + other)
        assert y.dtype == want.dtype and torch.equal(y, want), other.shape
    low = randn(1, 32, 3, 2)
    y = conv(x, weight, bias, "winograd", [1, 1], [1, 1], low=low)
    torch.testing.assert_close(y, plain + resized(low, [6, 5]).float())
