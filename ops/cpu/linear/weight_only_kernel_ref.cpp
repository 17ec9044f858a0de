// Portable: a block of values of k of a panel as float, then the product.
#include <algorithm>
#include <vector>

#include "cpu/linear/weight_only_kernel.h"

namespace vqt::cpu {
namespace {

using Kind = WeightOnlyJob::Kind;

// The integer of (column, k), its zero point taken away, times its scale.
float weight_at(const WeightOnlyJob& a, int64_t column, int64_t k) {
  const int64_t panel = column / kPanel, c = column % kPanel;
  if (a.kind == Kind::kInt16) {
    const int16_t q = reinterpret_cast<const int16_t*>(a.w)[column * a.k + k];
    return static_cast<float>(q) * a.scale[a.one_scale ? 0 : column];
  }
  if (a.kind == Kind::kInt8) {
    const auto* w = reinterpret_cast<const int8_t*>(a.w) + panel * kPanel * a.k_pad;
    const int32_t q = w[k / 4 * 4 * kPanel + c * 4 + k % 4] - (a.zero == nullptr ? 0 : a.zero[column]);
    return static_cast<float>(q) * a.scale[column];
  }
  const int64_t g = k / a.group, i = k % a.group;
  const uint8_t* head = a.w + panel * a.panel_bytes() + g * a.group_bytes;
  const uint8_t* nibbles = head + kPanel * (a.symmetric ? 4 : 5);
  const uint8_t byte = nibbles[i / 8 * 64 + c * 4 + i % 4];
  const int32_t q = (i % 8 < 4 ? byte & 15 : byte >> 4) - (a.symmetric ? 8 : head[kPanel * 4 + c]);
  return static_cast<float>(q) * reinterpret_cast<const float*>(head)[c];
}

}  // namespace

void weight_only_ref(const WeightOnlyJob& a, Range rows, Range columns) {
  count_run(LinearKernel::kWeightOnlyRef);
  constexpr int64_t kDepth = 256;
  std::vector<float> w(kDepth * kPanel);
  for (int64_t begin = columns.begin; begin < columns.end; begin += kPanel) {
    const int64_t width = std::min(kPanel, columns.end - begin);
    for (int64_t k = 0; k < a.k; k += kDepth) {
      const int64_t depth = std::min(kDepth, a.k - k);
      for (int64_t c = 0; c < width; ++c) {
        for (int64_t i = 0; i < depth; ++i) w[i * kPanel + c] = weight_at(a, begin + c, k + i);
      }
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        float sums[kPanel] = {};
        const float* x = a.x + row * a.k + k;
        for (int64_t i = 0; i < depth; ++i) {
          for (int64_t c = 0; c < kPanel; ++c) sums[c] += x[i] * w[i * kPanel + c];
        }
        float* y = a.y + row * a.y_stride + begin - a.first_column;
        for (int64_t c = 0; c < width; ++c) {
          if (k > 0) sums[c] += y[c];
          if (a.bias != nullptr && k + depth == a.k) sums[c] += a.bias[begin + c - a.first_column];
          y[c] = sums[c];
        }
      }
    }
  }
}

}  // namespace vqt::cpu
