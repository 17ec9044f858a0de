#include "cpu/quantize/choose_qparams_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/quantize/asymmetric_scale.h"

namespace vqt::cpu {
namespace {

// The bits of a float as an integer of the same order, NaN outside of the infinities. Its own inverse.
// Integers, because the compiler may not reorder comparisons of floats, and so would not vectorise them.
int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

constexpr int32_t kOrderedInf = 0x7f800000;
constexpr int32_t kOrderedMinusInf = static_cast<int32_t>(0xff800000u ^ 0x7fffffffu);

float from_ordered(int32_t value) {
  const int32_t bits = ordered(value);
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

ValueRange range_with_nonfinite(const float* x, int64_t count) {
  ValueRange range;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(x[i])) {
      ++range.nonfinite;
    } else {
      range.min = std::min(range.min, x[i]);
      range.max = std::max(range.max, x[i]);
    }
  }
  return range;
}

}  // namespace

ValueRange value_range(const float* x, int64_t count) {
  if (count == 0) return {};
  int32_t min = kOrderedInf, max = kOrderedMinusInf;
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    const int32_t value = ordered(bits);
    min = value < min ? value : min;
    max = value > max ? value : max;
  }
  if (max >= kOrderedInf || min <= kOrderedMinusInf) return range_with_nonfinite(x, count);
  return {from_ordered(min), from_ordered(max), 0};
}

ValueRange merge(const ValueRange& a, const ValueRange& b) {
  return {std::min(a.min, b.min), std::max(a.max, b.max), a.nonfinite + b.nonfinite};
}

Qparams qparams_of(const ValueRange& range, int64_t bits, bool symmetric) {
  const float min = std::min(range.min, 0.0f), max = std::max(range.max, 0.0f);
  if (symmetric) {
    const float scale = std::max(-min, max) / static_cast<float>((int64_t{1} << (bits - 1)) - 1);
    return {scale == 0.0f ? 1.0f : scale, 0};
  }
  const float top = static_cast<float>((int64_t{1} << bits) - 1);
  const float scale = asymmetric_scale(min, max, top);
  if (scale == 0.0f) return {1.0f, 0};
  return {scale, static_cast<int32_t>(std::nearbyint(std::min(-min / scale, top)))};
}

}  // namespace vqt::cpu
