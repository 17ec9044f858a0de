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
    squares[j] = squares[j] + d * d;
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
  const Vec mean = Vec::all(m.mean), shift = Vec::all(m.shift), rstd = Vec::all(m.rstd);
  const float *weight = norm.weight, *bias = norm.bias;
  int64_t i = 0;
  for (; i + Vec::kWidth <= k; i += Vec::kWidth) {
    Vec v = ((Vec::load(x + i) - mean) - shift) * rstd;
    if (weight != nullptr) v = v * Vec::load(weight + i);
    if (bias != nullptr) v = v + Vec::load(bias + i);
    v.store(y + i);
  }
  if (i == k) return;
  const int64_t n = k - i;
  Vec v = ((Vec::load_first(x + i, n) - mean) - shift) * rstd;
  if (weight != nullptr) v = v * Vec::load_first(weight + i, n);
  if (bias != nullptr) v = v + Vec::load_first(bias + i, n);
  v.store_first(y + i, n);
}

}  // namespace
}  // namespace vqt::cpu
