#include "cpu/norm/layer_norm_kernel.h"

#include <cmath>

namespace vqt::cpu {
namespace {

float sum_of_lanes(float (&lanes)[kNormLanes]) {
  for (int64_t step = kNormLanes / 2; step > 0; step /= 2) {
    for (int64_t j = 0; j < step; ++j) lanes[j] += lanes[j + step];
  }
  return lanes[0];
}

}  // namespace

void norm_row_ref(const RowNorm& norm, const float* x, int64_t k, float* y) {
  const double per_value = 1.0 / static_cast<double>(k);
  float values[kNormLanes] = {}, differences[kNormLanes] = {}, squares[kNormLanes] = {};
  for (int64_t i = 0; i < k; ++i) values[i % kNormLanes] += x[i];
  const float mean = row_mean(sum_of_lanes(values), x, k, per_value);
  for (int64_t i = 0; i < k; ++i) {
    const float d = x[i] - mean;
    differences[i % kNormLanes] += d;
    squares[i % kNormLanes] = std::fma(d, d, squares[i % kNormLanes]);
  }
  const RowMoments m =
      row_moments(mean, sum_of_lanes(differences), sum_of_lanes(squares), per_value, norm.eps);
  for (int64_t i = 0; i < k; ++i) {
    const float n = std::fma(x[i] - m.mean, m.rstd, m.shift);
    const float bias = norm.bias == nullptr ? 0.0f : norm.bias[i];
    y[i] = std::fma(n, norm.weight == nullptr ? 1.0f : norm.weight[i], bias);
  }
}

void layer_norm_ref(const LayerNorm& a, Range rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r)
    norm_row_ref(a.norm, a.x + r * a.x_stride, a.k, a.y + r * a.k);
}

}  // namespace vqt::cpu
