// row_norm.h with vectors of any width that divides 32. Include a vec_*.h first.
// Passes over a row that stays in L1; 32 lanes are enough additions in flight.
#pragma once

#include "cpu/norm/row_norm.h"

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
  if (i == k) return;
#pragma GCC unroll 4
  for (int j = 0; j < kNormVecs; ++j) {
    const int64_t at = i + j * Vec::kWidth, left = k - at;
    if (left > 0) part(j, at, left < Vec::kWidth ? left : Vec::kWidth);
  }
}

__attribute__((always_inline)) inline Vec folded(Vec (&lanes)[kNormVecs]) {
#pragma GCC unroll 4
  for (int step = kNormVecs / 2; step > 0; step /= 2) {
#pragma GCC unroll 4
    for (int j = 0; j < step; ++j) lanes[j] = lanes[j] + lanes[j + step];
  }
  return lanes[0];
}

__attribute__((always_inline)) inline Vec sum_of(const float* x, int64_t k) {
  Vec sums[kNormVecs];
#pragma GCC unroll 4
  for (Vec& s : sums) s = Vec::all(0.0f);
  for_lanes(
      k, [&](int j, int64_t i) __attribute__((always_inline)) { sums[j] = sums[j] + Vec::load(x + i); },
      [&](int j, int64_t i, int64_t n)
          __attribute__((always_inline)) { sums[j] = sums[j] + Vec::load_first(x + i, n); });
  return folded(sums);
}

// Of the differences from a mean.
__attribute__((always_inline)) inline void sums_of(const float* x, int64_t k, float mean, Vec* sum,
                                                   Vec* sum_of_squares) {
  Vec sums[kNormVecs], squares[kNormVecs];
#pragma GCC unroll 4
  for (int j = 0; j < kNormVecs; ++j) sums[j] = squares[j] = Vec::all(0.0f);
  const Vec means = Vec::all(mean);
  const auto add = [&](int j, Vec d) __attribute__((always_inline)) {
    sums[j] = sums[j] + d;
    squares[j] = fma(d, d, squares[j]);
  };
  for_lanes(
      k, [&](int j, int64_t i) __attribute__((always_inline)) { add(j, Vec::load(x + i) - means); },
      [&](int j, int64_t i, int64_t n)
          __attribute__((always_inline)) { add(j, (Vec::load_first(x + i, n) - means).first(n)); });
  *sum = folded(sums);
  *sum_of_squares = folded(squares);
}

inline RowMoments moments_of(const float* x, int64_t k, double eps) {
  const double per_value = 1.0 / static_cast<double>(k);
  const float mean = row_mean(sum_of(x, k).sum(), x, k, per_value);
  Vec sum, squares;
  sums_of(x, k, mean, &sum, &squares);
  return row_moments(mean, sum.sum(), squares.sum(), per_value, eps);
}

// Of many short rows, each step for all of them: a row would wait for its sums, roots and divisions.
// row(r): the row.
template <class Row>
__attribute__((always_inline)) inline void moments_of_rows(Row row, int64_t rows, int64_t k, double eps,
                                                           RowMoments* moments) {
  const double per_value = 1.0 / static_cast<double>(k);
  const int64_t in_fours = rows / 4 * 4;
  Vec sum[4], squares[4];
  float sums[4], sums_of_squares[4];
  for (int64_t r = 0; r < in_fours; r += 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum[j] = sum_of(row(r + j), k);
    Vec::sums(sum, sums);
    for (int j = 0; j < 4; ++j) moments[r + j].mean = row_mean(sums[j], row(r + j), k, per_value);
  }
  for (int64_t r = 0; r < in_fours; r += 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums_of(row(r + j), k, moments[r + j].mean, &sum[j], &squares[j]);
    Vec::sums(sum, sums);
    Vec::sums(squares, sums_of_squares);
    for (int j = 0; j < 4; ++j) {
      moments[r + j] = row_moments(moments[r + j].mean, sums[j], sums_of_squares[j], per_value, eps);
    }
  }
  for (int64_t r = in_fours; r < rows; ++r) moments[r] = moments_of(row(r), k, eps);
}

// A row's values of y, a vector at a time. load: Vec::load, or what loads its first lanes.
class Normed {
 public:
  Normed(const RowNorm& norm, const RowMoments& m, const float* x)
      : x_(x),
        weight_(norm.weight),
        bias_(norm.bias),
        mean_(Vec::all(m.mean)),
        rstd_(Vec::all(m.rstd)),
        shift_(Vec::all(m.shift)) {}

  template <class Load>
  __attribute__((always_inline)) Vec operator()(int64_t i, Load load) const {
    const Vec n = fma(load(x_ + i) - mean_, rstd_, shift_);
    const Vec b = bias_ == nullptr ? Vec::all(0.0f) : load(bias_ + i);
    return weight_ == nullptr ? n + b : fma(n, load(weight_ + i), b);
  }

 private:
  const float *x_, *weight_, *bias_;
  Vec mean_, rstd_, shift_;
};

}  // namespace
}  // namespace vqt::cpu
