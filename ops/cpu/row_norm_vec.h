// row_norm.h with vectors of any width that divides 32. Include a vec_*.h first.
// Three passes over a row that stays in the first cache; 32 lanes are enough additions in flight.
#pragma once

#include "cpu/row_norm.h"

namespace vqt::cpu {
namespace {

constexpr int kNormVecs = kNormLanes / Vec::kWidth;

// Calls whole(vector of the 32 lanes, index) for every full vector of a row, part(vector, index, values) for
// the one that is cut.
template <class Whole, class Part>
__attribute__((always_inline)) inline void for_lanes(int64_t k, Whole whole, Part part) {
  int64_t i = 0;
  for (; i + kNormLanes <= k; i += kNormLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < kNormVecs; ++j) whole(j, i + j * Vec::kWidth);
  }
#pragma GCC unroll 4
  for (int j = 0; j < kNormVecs; ++j) {
    const int64_t at = i + j * Vec::kWidth, left = k - at;
    if (left > 0) part(j, at, left < Vec::kWidth ? left : Vec::kWidth);
  }
}

inline float sum_of_lanes(Vec (&lanes)[kNormVecs]) {
#pragma GCC unroll 4
  for (int step = kNormVecs / 2; step > 0; step /= 2) {
#pragma GCC unroll 4
    for (int j = 0; j < step; ++j) lanes[j] = lanes[j] + lanes[j + step];
  }
  return lanes[0].sum();
}

inline RowMoments moments_of(const float* x, int64_t k, double eps) {
  Vec sums[kNormVecs], squares[kNormVecs];
#pragma GCC unroll 4
  for (int j = 0; j < kNormVecs; ++j) sums[j] = squares[j] = Vec::all(0.0f);
  for_lanes(
      k, [&](int j, int64_t i) __attribute__((always_inline)) { sums[j] = sums[j] + Vec::load(x + i); },
      [&](int j, int64_t i, int64_t n)
          __attribute__((always_inline)) { sums[j] = sums[j] + Vec::load_first(x + i, n); });
  const float mean = row_mean(sum_of_lanes(sums), k);
  const Vec means = Vec::all(mean);
#pragma GCC unroll 4
  for (int j = 0; j < kNormVecs; ++j) sums[j] = Vec::all(0.0f);
  const auto add = [&](int j, Vec d) __attribute__((always_inline)) {
    sums[j] = sums[j] + d;
    squares[j] = fma(d, d, squares[j]);
  };
  for_lanes(
      k, [&](int j, int64_t i) __attribute__((always_inline)) { add(j, Vec::load(x + i) - means); },
      [&](int j, int64_t i, int64_t n)
          __attribute__((always_inline)) { add(j, (Vec::load_first(x + i, n) - means).first(n)); });
  return row_moments(mean, sum_of_lanes(sums), sum_of_lanes(squares), k, eps);
}

// x and y may be the same row.
inline void norm_row(const RowNorm& norm, const float* x, int64_t k, float* y) {
  const RowMoments m = moments_of(x, k, norm.eps);
  const Vec mean = Vec::all(m.mean), rstd = Vec::all(m.rstd), shift = Vec::all(m.shift);
  const float *weight = norm.weight, *bias = norm.bias;
  // load: a whole vector or its first lanes.
  const auto value = [&](int64_t i, auto load) __attribute__((always_inline)) {
    const Vec n = fma(load(x + i) - mean, rstd, shift);
    const Vec b = bias == nullptr ? Vec::all(0.0f) : load(bias + i);
    return weight == nullptr ? n + b : fma(n, load(weight + i), b);
  };
  int64_t i = 0;
  for (; i + Vec::kWidth <= k; i += Vec::kWidth)
    value(i, [](const float* p) { return Vec::load(p); }).store(y + i);
  const int64_t n = k - i;
  if (n > 0) value(i, [n](const float* p) { return Vec::load_first(p, n); }).store_first(y + i, n);
}

}  // namespace
}  // namespace vqt::cpu
