"""Makes the coefficients of ops/cpu/simd/gelu.h: Phi(t) - 0.5 = t * P(u), u = 2 t^2 / END^2 - 1, for |t| <= END.

P is fitted by Lawson's iteration (least squares whose weights grow where the error is largest, which tends to
the minimax fit) with t as weight, as gelu = x * Phi(x). Coefficients are rounded to float32 from the highest
down, the rest refitted each time. At END the target is exactly 0.5, the true value's 4e-8 less being spread
over the end. Last, single bits are flipped while that lowers the largest error of the float32 evaluation.

  python scripts/fit_gelu.py          prints the coefficients and the error
"""

import math

import numpy as np
from numpy.polynomial import chebyshev

f32, f64 = np.float32, np.float64
END, DEGREE = f32(5.375), 14
SCALE = f32(2 / float(END) ** 2)
phi = np.vectorize(lambda t: 0.5 * math.erfc(-t / math.sqrt(2)))


def gelu(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """As gelu.h evaluates it; a product of two float32 is exact in float64."""
    t = np.clip(x, -END, END)
    u = ((t * t).astype(f64) * SCALE - 1).astype(f32)
    p = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        p = (p.astype(f64) * u + c).astype(f32)
    return x * (t * p + f32(0.5))


def minimax(basis: np.ndarray, f: np.ndarray, weight: np.ndarray, turns: int) -> np.ndarray:
    lawson = np.full(len(f), 1 / len(f))
    best = (np.inf, np.zeros(basis.shape[1]))
    for _ in range(turns):
        s = np.sqrt(lawson) * weight
        c = np.linalg.lstsq(basis * s[:, None], f * s, rcond=None)[0]
        error = np.abs((basis @ c - f) * weight)
        best = min(best, (error.max(), c), key=lambda b: b[0])
        lawson *= error + 1e-12
        lawson /= lawson.sum()
    return best[1]


def fit() -> np.ndarray:
    u = np.concatenate([[1.0], np.cos(np.pi * (np.arange(3000) + 0.5) / 3000)])
    t = np.sqrt((u + 1) / 2) * float(END)
    rest = phi(t) - 0.5 + (1 - phi(float(END))) * (t / float(END)) ** 16
    out = np.zeros(DEGREE + 1, f32)
    for k in range(DEGREE, -1, -1):
        c = minimax(chebyshev.chebvander(u, k) * t[:, None], rest, np.maximum(t, 0.25), 300 if k == DEGREE else 60)
        out[k] = f32(chebyshev.cheb2poly(c)[k])
        rest = rest - t * u**k * f64(out[k])
    return out


def polish(c: np.ndarray, turns: int = 1500) -> np.ndarray:
    near = np.linspace(3.5, float(END), 60001)
    x = np.concatenate([np.linspace(-6, 6, 60001), near, -near]).astype(f32)
    exact = x.astype(f64) * phi(x.astype(f64))
    ends = np.array([END, -END])

    def error(c: np.ndarray) -> float:
        return np.inf if (gelu(ends, c) != [END, 0]).any() else float(np.abs(gelu(x, c) - exact).max())

    random = np.random.default_rng(0)
    best = error(c)
    for _ in range(turns):
        d = c.copy()
        for k in random.integers(0, len(c), size=2):
            d[k] = np.nextafter(d[k], f32(random.choice([-np.inf, np.inf])))
        if (e := error(d)) < best or best == np.inf:
            best, c = e, d
    print(f"largest error {best:.2e}")
    return c


if __name__ == "__main__":
    print("2 / END^2:", float(SCALE).hex())
    print("coefficients:", *(float(c).hex() for c in polish(fit())), sep="\n  ")
