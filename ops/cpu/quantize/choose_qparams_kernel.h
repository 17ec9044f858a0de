// Scale and zero point of a run of values.
#pragma once

#include <cstdint>
#include <limits>

namespace vqt::cpu {

struct ValueRange {
  float min = std::numeric_limits<float>::infinity();  // of the finite values; min > max: there are none
  float max = -std::numeric_limits<float>::infinity();
  int64_t nonfinite = 0;  // NaN and Inf
};
ValueRange value_range(const float* x, int64_t count);
ValueRange merge(const ValueRange& a, const ValueRange& b);

struct Qparams {
  float scale;
  int32_t zero;
};
// symmetric: scale = max|x| / (2^(bits-1) - 1). Asymmetric: the range is widened to hold 0, scale = (max -
// min) / (2^bits - 1), zero = clamp(round(-min / scale)). A scale that comes out 0 is 1 with zero 0. An empty
// range counts as 0..0. Where max - min passes float32's range, scale = max / (2^bits - 1) - min / (2^bits -
// 1).
Qparams qparams_of(const ValueRange& range, int64_t bits, bool symmetric);

}  // namespace vqt::cpu
