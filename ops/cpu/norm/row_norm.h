// LayerNorm of one row of k float32 values, the same bits on every instruction set and for every caller:
//
//   sum    32 lanes: lane j adds x[j], x[j + 32], ...; then lane j takes lane j + 16, + 8, + 4, + 2, + 1
//   mean   sum(x) * (1 / k), in float32; from a sum in float64 where float32 has no room for it
//   error  sum(x - mean) * (1 / k): what is missing in mean
//   rstd   1 / sqrt(sum((x - mean)^2) * (1 / k) - error^2 + eps); 0 where the squares pass float32's range, as
//          in torch: y is bias then
//   n      (x - mean) * rstd + shift, shift = -error * rstd
//   y      n * weight + bias
//
// Sums are float32; what follows from the sums of the differences is float64. A product and its addend are
// rounded once (fma).
#pragma once

#include <cstdint>

namespace vqt::cpu {

constexpr int64_t kNormLanes = 32;

struct RowNorm {
  const float* weight = nullptr;  // [k], or null
  const float* bias = nullptr;    // [k], or null
  double eps = 0.0;
};

void norm_row_ref(const RowNorm& norm, const float* x, int64_t k, float* y);

// Internal linkage: a copy made in a file for one instruction set must not serve the others.
namespace {

struct RowMoments {
  float mean, rstd, shift;
};

[[maybe_unused, gnu::noinline]] float mean_in_float64(const float* x, int64_t k, double per_value) {
  double sum = 0.0;
  for (int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]);
  return static_cast<float>(sum * per_value);  // of Inf and NaN: not finite
}

// x: the row [k] that `sum` is of.
[[maybe_unused]] inline float row_mean(float sum, const float* x, int64_t k, double per_value) {
  if (sum - sum != 0.0f) return mean_in_float64(x, k, per_value);
  return sum * static_cast<float>(per_value);
}

// Sums of x - mean and of its squares; per_value: 1 / k.
[[maybe_unused]] inline RowMoments row_moments(float mean, float sum, float sum_of_squares, double per_value,
                                               double eps) {
  if (mean - mean == 0.0f && sum_of_squares > __FLT_MAX__) return {mean, 0.0f, 0.0f};
  const double error = static_cast<double>(sum) * per_value;
  const double variance = static_cast<double>(sum_of_squares) * per_value - error * error;
  const double rstd = 1.0 / __builtin_sqrt((variance < 0.0 ? 0.0 : variance) + eps);  // NaN stays
  return {mean, static_cast<float>(rstd), static_cast<float>(-error * rstd)};
}

}  // namespace
}  // namespace vqt::cpu
