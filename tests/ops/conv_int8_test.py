"""conv2d_int8 and conv_transpose2d_int8: exactly the integer definition (conv_ref), and close to a float64 convolution."""

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
