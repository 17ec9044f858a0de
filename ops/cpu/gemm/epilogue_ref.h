// The specification of epilogue.h: one value. Every other epilogue gives these bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "cpu/gemm/epilogue.h"
#include "cpu/simd/gelu.h"

namespace vqt::cpu {
// Internal linkage: a copy made in a file for one instruction set must not serve the others.
namespace {

// Says that a row of the u8 result is NaN. Other threads may be saying so too.
[[maybe_unused]] inline void mark_nan(const Epilogue& e, int64_t row) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  __atomic_store(e.q.scale + row, &nan, __ATOMIC_RELAXED);
}

// v: the scaled product of a row of x and a column of W.
[[maybe_unused]] inline void finish(const Epilogue& e, int64_t row, int64_t column, float v) {
  const int64_t c = column - e.first_column;
  if (e.bias != nullptr) v += e.bias[c];
  if (e.post_op == PostOp::kGelu) v = gelu(v);
  if (e.post_op == PostOp::kRelu) v = 0.0f > v ? 0.0f : v;
  if (e.gamma != nullptr) v *= e.gamma[c];
  if (e.residual != nullptr) v += e.residual[row * e.residual_stride + c];
  if (e.y != nullptr) {
    e.y[row * e.y_stride + c] = v;
    return;
  }
  uint8_t& q = e.q.q[e.q.offset(row, c / 4 * 4) + c % 4];
  q = 0;
  if (!std::isfinite(v)) {
    mark_nan(e, row);
  } else if (e.y_symmetric) {
    q = static_cast<uint8_t>(std::nearbyint(std::clamp(v / e.y_scale, -127.0f, 127.0f)) + 128.0f);
  } else {
    const float zero = static_cast<float>(e.y_zero);
    q = static_cast<uint8_t>(std::nearbyint(std::clamp(v / e.y_scale + zero, 0.0f, 255.0f)));
  }
}

}  // namespace
}  // namespace vqt::cpu
