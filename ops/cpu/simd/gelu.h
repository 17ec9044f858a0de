// gelu(x) = x * Phi(x), Phi the normal distribution (the "erf" form of torch), to 1e-6 absolute, with the
// same bits on every instruction set:
//
//   t = x limited to -end..end        (a NaN becomes end)
//   u = t^2 * (2 / end^2) - 1         -1..1
//   y = x * (0.5 + t * P(u))          P: degree 14, Horner's scheme
//
// Every product and what is added to it are rounded once (fma), other steps one by one. Beyond +-end Phi is 1
// and 0: t * P(u) is exactly +-0.5 there. gelu(-0) = -0, gelu(-Inf) = NaN (as torch: -Inf * 0), gelu(Inf) =
// Inf. scripts/fit_gelu.py made the coefficients and measures the error: largest where y is about 5, where a
// unit of the last place is 4.8e-7.
#pragma once

#include <cmath>

#include "cpu/simd/gelu_polynomial.h"

namespace vqt::cpu {
// Internal linkage: a copy made in a file for one instruction set must not serve the others.
namespace {

// V: vec_avx2.h's Vec, or one of its kind: all, min, max, *, +, fma. min(NaN, b) is b.
template <class V>
inline V gelu(V x) {
  const V t = max(min(x, V::all(kGeluEnd)), V::all(-kGeluEnd));
  const V u = fma(t * t, V::all(kGeluScale), V::all(-1.0f));
  V p = V::all(kGelu[14]);
#pragma GCC unroll 14
  for (int i = 13; i >= 0; --i) p = fma(p, u, V::all(kGelu[i]));
  return x * (t * p + V::all(0.5f));
}

struct Scalar {  // a Vec of one lane
  float v;
  static Scalar all(float x) { return {x}; }
  friend Scalar min(Scalar a, Scalar b) { return {a.v < b.v ? a.v : b.v}; }
  friend Scalar max(Scalar a, Scalar b) { return {a.v > b.v ? a.v : b.v}; }
  friend Scalar operator+(Scalar a, Scalar b) { return {a.v + b.v}; }
  friend Scalar operator*(Scalar a, Scalar b) { return {a.v * b.v}; }
  friend Scalar fma(Scalar a, Scalar b, Scalar c) { return {std::fma(a.v, b.v, c.v)}; }
};

[[maybe_unused]] inline float gelu(float x) { return gelu(Scalar{x}).v; }

}  // namespace
}  // namespace vqt::cpu
