#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/quantize/asymmetric_scale.h"
#include "cpu/quantize/quantize_per_token_kernel.h"

namespace vqt::cpu {
namespace {

struct Parameters {
  float scale;
  int32_t zero;
};

Parameters dynamic_parameters(float min, float max, bool symmetric) {
  if (symmetric) {
    const float scale = std::max(-min, max) / 127.0f;
    return {scale == 0.0f ? 1.0f : scale, 128};
  }
  const float scale = asymmetric_scale(min, max, 255.0f);
  if (scale == 0.0f) return {1.0f, 0};
  return {scale, static_cast<int32_t>(std::nearbyint(std::min(-min / scale, 255.0f)))};
}

void quantize_row(const QuantizeRowsJob& a, int64_t row) {
  const float* x = a.x + row * a.x_stride;
  float min = 0.0f, max = 0.0f;
  bool finite = true;
  for (int64_t k = 0; k < a.k; ++k) {
    finite = finite && std::isfinite(x[k]);
    min = std::min(min, x[k]);
    max = std::max(max, x[k]);
  }
  Parameters p = {a.static_scale, a.symmetric ? 128 : a.static_zero};
  if (a.dynamic && finite) p = dynamic_parameters(min, max, a.symmetric);
  if (!finite) p = {std::numeric_limits<float>::quiet_NaN(), 0};

  const float low = a.symmetric ? -127.0f : 0.0f, high = a.symmetric ? 127.0f : 255.0f;
  const float before = a.symmetric ? 0.0f : static_cast<float>(p.zero);  // added before the rounding
  const int32_t after = a.symmetric ? 128 : 0;
  int32_t sum = 0;
  const int64_t first = a.out.offset(row, 0), step = a.out.offset(row, 4) - first;  // 4 values a step
  for (int64_t k = 0; k < a.out.k_pad; ++k) {
    int32_t value = 0;
    if (k < a.k && finite) {
      const float v = std::clamp(x[k] / p.scale + before, low, high);
      value = static_cast<int32_t>(std::nearbyint(v)) + after;
    }
    a.out.q[first + k / 4 * step + k % 4] = static_cast<uint8_t>(value);
    sum += value;
  }
  a.out.scale[row] = p.scale;
  a.out.zero[row] = p.zero;
  if (a.out.sum != nullptr) a.out.sum[row] = sum;
}

}  // namespace

void quantize_rows_ref(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) quantize_row(a, row);
}

}  // namespace vqt::cpu
