"""The definition of integer convolutions (ops/cpu/conv/conv_int8.h) in numpy, written from docs/convolutions.md alone:
float32 steps in their order, integer products in int64. Maps are [n, C, h, w]."""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
F32 = np.float32


def quantized_rows(x: Array) -> tuple[Array, Array]:
    """x [..., k] float32 -> symmetric integers and a scale for each row."""
    scale = np.abs(x).max(axis=-1, keepdims=True).astype(F32) / F32(127)
    scale[scale == 0] = 1
    return np.rint(np.clip(x / scale, F32(-127), F32(127))).astype(np.int64), scale


def quantized_tiles(v: Array) -> tuple[Array, Array]:
    """The same of Winograd's values: a multiplication with 127 / most, not a division."""
    most = np.abs(v).max(axis=-1, keepdims=True).astype(F32)
    zero = most < F32(2**-100)
    factor = np.where(zero, F32(0), F32(127) / np.where(zero, F32(1), most))
    return np.rint(v * factor).astype(np.int64), np.where(zero, F32(1), most / F32(127))


def product(x: Array, weight: Array, quantized: Callable[[Array], tuple[Array, Array]] = quantized_rows) -> Array:
    """Rows of x times a matrix [columns, k], both quantized by row."""
    (qx, sx), (qw, sw) = quantized(x), quantized_rows(weight)
    return ((qx @ qw.T).astype(F32) * sw.T) * sx


def winograd_input(d: Array) -> Array:
    """Tiles [..., 4, 4, C] -> the values at 16 positions, [..., 4, 4, C]."""

    def combine(v: Array, axis: int) -> Array:
        a, b, c, e = np.moveaxis(v, axis, 0)
        return np.stack([a - c, b + c, c - b, b - e], axis=axis)

    return combine(combine(d, -3), -2)


def winograd_matrix(weight: Array) -> Array:
    """[N, C, 3, 3] -> [4, 4, N, C]"""

    def combine(v: Array, axis: int) -> Array:
        a, b, c = np.moveaxis(v, axis, 0)
        return np.stack([a, ((a + c) + b) * F32(0.5), ((a + c) - b) * F32(0.5), c], axis=axis)

    return np.moveaxis(combine(combine(weight, 2), 3), (2, 3), (0, 1))


def winograd_result(m: Array) -> Array:
    """[..., 4, 4, N] -> [..., 2, 2, N]"""

    def combine(v: Array, axis: int) -> Array:
        a, b, c, e = np.moveaxis(v, axis, 0)
        return np.stack([a + b + c, b - c - e], axis=axis)

    return combine(combine(m, -3), -2)


def winograd(x: Array, weight: Array) -> Array:
    """x [n, h, w, C], padded -> [n, h - 2, w - 2, N]"""
    n, height, width = x.shape[0], x.shape[1] - 2, x.shape[2] - 2
    rows, columns = (height + 1) // 2, (width + 1) // 2
    x = np.pad(x, [(0, 0), (0, 2 * rows - height), (0, 2 * columns - width), (0, 0)])
    tiles = np.stack(
        [[x[:, i : i + 2 * rows : 2, j : j + 2 * columns : 2] for j in range(4)] for i in range(4)]
    )  # [4, 4, n, rows, columns, C]
    v = winograd_input(np.moveaxis(tiles, (0, 1), (3, 4)))  # [n, rows, columns, 4, 4, C]
    u = winograd_matrix(weight)
    m = np.stack([[product(v[..., i, j, :], u[i, j], quantized_tiles) for j in range(4)] for i in range(4)])
    y = winograd_result(np.moveaxis(m, (0, 1), (3, 4)))  # [n, rows, columns, 2, 2, N]
    y = y.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * rows, 2 * columns, -1)
    return y[:, :height, :width]


def conv2d(
    x: Array, weight: Array, bias: Array, form: str, stride: list[int], padding: list[int], residual: Array | None = None,
    low: Array | None = None, relu: bool = False,
) -> Array:  # fmt: skip
    x = np.pad(x.transpose(0, 2, 3, 1), [(0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)])
    out, c, kh, kw = weight.shape
    if form == "winograd":
        y = winograd(x, weight)
    else:
        height, width = (x.shape[1] - kh) // stride[0] + 1, (x.shape[2] - kw) // stride[1] + 1
        taps = [
            x[:, i : i + stride[0] * height : stride[0], j : j + stride[1] * width : stride[1]][:, :height, :width]
            for i in range(kh)
            for j in range(kw)
        ]
        y = product(np.concatenate(taps, axis=-1), weight.transpose(0, 2, 3, 1).reshape(out, -1))
    return finish(y, bias, residual, low, relu)


def conv_transpose2d(x: Array, weight: Array, bias: Array) -> Array:
    n, c, h, w = x.shape
    _, out, kh, kw = weight.shape
    y = product(x.transpose(0, 2, 3, 1), weight.transpose(2, 3, 1, 0).reshape(-1, c))
    y = y.reshape(n, h, w, kh, kw, out).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * kh, w * kw, out)
    return finish(y, bias, None, None, False)


def finish(y: Array, bias: Array, residual: Array | None, low: Array | None, relu: bool) -> Array:
    """y [n, h, w, N]; the maps and the result are [n, N, h, w]."""
    y = y + bias
    if residual is not None:
        y = y + residual.transpose(0, 2, 3, 1)
    if low is not None:
        y = y + resize(low, y.shape[1], y.shape[2]).transpose(0, 2, 3, 1)
    return (np.maximum(y, F32(0)) if relu else y).transpose(0, 3, 1, 2)


def resize(x: Array, height: int, width: int) -> Array:
    """Bilinear with aligned corners, rows first: low + (high - low) * weight."""
    for axis, size in ((2, height), (3, width)):
        last = x.shape[axis] - 1
        step = F32(last) / F32(size - 1) if size > 1 else F32(0)
        at = step * np.arange(size, dtype=F32)
        low = np.minimum(at.astype(np.int64), last)
        weight = np.clip(at - low.astype(F32), F32(0), F32(1)).reshape([-1 if i == axis else 1 for i in range(4)])
        a, b = np.take(x, low, axis), np.take(x, np.minimum(low + 1, last), axis)
        x = a + (b - a) * weight
    return x
