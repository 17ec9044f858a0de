"""The formulas of docs/ops.md in numpy, written apart from the kernels, in float32."""

from dataclasses import dataclass

import numpy as np
import torch

f32 = np.float32


@dataclass(frozen=True)
class Scheme:
    bits: int = 8
    symmetric: bool = True
    granularity: str = "per_channel"
    group_size: int = 0

    @property
    def args(self) -> tuple[int, bool, str, int]:
        return self.bits, self.symmetric, self.granularity, self.group_size

    @property
    def limits(self) -> tuple[int, int]:
        if self.symmetric:
            return -(2 ** (self.bits - 1) - 1), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1

    @property
    def dtype(self) -> torch.dtype:
        if self.bits == 16:
            return torch.int16
        return torch.int8 if self.symmetric and self.bits == 8 else torch.uint8

    def run(self, n: int, k: int) -> int:
        """Values that share a scale."""
        if self.granularity == "per_tensor":
            return n * k
        return k if self.granularity == "per_channel" or self.group_size == -1 else self.group_size

    def __str__(self) -> str:
        kind = {"per_tensor": "t", "per_channel": "c", "group": f"g{self.group_size}"}[self.granularity]
        return f"{self.bits}{'s' if self.symmetric else 'a'}-{kind}"


WIDTHS = [(8, True), (8, False), (4, True), (4, False), (16, True)]
GROUPS = [-1, 1, 2, 7, 8, 16, 32, 64, 128, 1000]
SCHEMES = [
    Scheme(bits, symmetric, granularity, group)
    for bits, symmetric in WIDTHS
    for granularity, group in [("per_tensor", 0), ("per_channel", 0), *(("group", g) for g in GROUPS)]
]


def qparams(x: np.ndarray, s: Scheme) -> tuple[np.ndarray, np.ndarray]:
    run = s.run(*x.shape)
    rows = [x.reshape(-1)] if s.granularity == "per_tensor" else list(x)
    scales, zeros = [], []
    for values in (row[begin : begin + run] for row in rows for begin in range(0, row.size, run)):
        if s.symmetric:
            scale, zero = np.abs(values).max() / f32(s.limits[1]), 0
        else:
            low, high = np.minimum(values.min(), f32(0)), np.maximum(values.max(), f32(0))
            scale = (high - low) / f32(2**s.bits - 1)
            zero = int(np.clip(np.round(-low / scale), 0, 2**s.bits - 1)) if scale != 0 else 0
        if scale == 0:
            scale, zero = f32(1), 0
        scales.append(scale)
        zeros.append(zero)
    return np.array(scales, f32), np.array(zeros, np.int32)


def spread(per_run: np.ndarray, n: int, k: int, s: Scheme) -> np.ndarray:
    if s.granularity == "per_tensor":
        return np.full((n, k), per_run[0])
    return np.repeat(per_run.reshape(n, -1), s.run(n, k), axis=1)[:, :k]


def integers(x: np.ndarray, scale: np.ndarray, zero: np.ndarray, s: Scheme) -> np.ndarray:
    """q as int32 [N, K]."""
    v = x / spread(scale, *x.shape, s)
    if not s.symmetric:
        v = v + spread(zero, *x.shape, s).astype(f32)
    assert v.dtype == f32
    return np.clip(np.round(v), *s.limits).astype(np.int32)


def floats(q: np.ndarray, scale: np.ndarray, zero: np.ndarray, s: Scheme) -> np.ndarray:
    n, k = q.shape
    return (q - spread(zero, n, k, s)).astype(f32) * spread(scale, n, k, s)


def stored(q: np.ndarray, s: Scheme) -> np.ndarray:
    """The canonical layout of integers [N, K]."""
    if s.bits != 4:
        return q.astype({torch.int8: np.int8, torch.uint8: np.uint8, torch.int16: np.int16}[s.dtype])
    n, k = q.shape
    out = np.zeros((n, (k + 1) // 2), np.uint8)
    for i in range(k):
        out[:, i // 2] |= ((q[:, i] & 15) << (4 * (i % 2))).astype(np.uint8)
    return out


def weights(n: int, k: int) -> dict[str, np.ndarray]:
    """Kinds of weights that have caught quantizers out."""
    rng = np.random.default_rng(n * 1009 + k)
    normal = rng.standard_normal((n, k)).astype(f32)
    zero_row = normal.copy()
    zero_row[n // 2] = 0
    outlier = normal * f32(1e-3)
    outlier[-1, -1] = -100
    return {
        "normal": normal,
        "one-sided": np.abs(normal) + f32(3),
        "negative": -np.abs(normal) - f32(0.5),
        "zero row": zero_row,
        "outlier": outlier,
        "denormal": (normal * f32(1e-44)).astype(f32),
        "tiny": normal * f32(1e-38),
        "huge": normal * f32(1e37),
        "ties": np.round(normal * f32(8)) * f32(0.5),
    }


def equal(got: torch.Tensor, want: np.ndarray, what: str) -> None:
    """Same dtype, shape and bits (NaN equals NaN)."""
    assert got.numpy().dtype == want.dtype, f"{what}: {got.dtype}, wanted {want.dtype}"
    np.testing.assert_array_equal(got.numpy(), want, err_msg=what)


def static_activation(x: np.ndarray, scale: float, zero: int, symmetric: bool) -> np.ndarray:
    """q - zero of activations with static parameters, as int32. x: float32."""
    v = x / f32(scale)
    if symmetric:
        return np.clip(np.round(v), -127, 127).astype(np.int32)
    return np.clip(np.round(v + f32(zero)), 0, 255).astype(np.int32) - zero
