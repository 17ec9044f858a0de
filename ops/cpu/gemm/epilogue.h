// What happens to a linear's result between the accumulators and memory, at the end of every kernel:
//
//   v = scaled product + bias                      bias: null means none
//   v = gelu(v) | max(v, 0) | v                    post_op
//   v = gamma * v                                  gamma: null means none
//   v = residual + v                               residual: null means none
//   y = v                                          float32, or
//   q = u8 in the layout of the linear that reads it next (activation.h), by the formula of its quantizer
//       (quantize_per_token_kernel.h): clamp(round(v / y_scale + y_zero), 0, 255), or symmetric
//       clamp(round(v / y_scale), -127, 127) + 128
//
// Every step is rounded to float32 (inside gelu: gelu.h). So the bits are those of the separate steps, on
// every instruction set.
#pragma once

#include <cstdint>

#include "cpu/layout/activation.h"

namespace vqt::cpu {

enum class PostOp : uint8_t { kNone, kGelu, kRelu };  // gelu: x * (1 + erf(x / sqrt(2))) / 2

struct Epilogue {
  int64_t first_column = 0;     // column of the packed weight that is column 0 of everything below
  const float* bias = nullptr;  // [columns]
  PostOp post_op = PostOp::kNone;
  const float* gamma = nullptr;     // [columns]
  const float* residual = nullptr;  // [rows][residual_stride]
  int64_t residual_stride = 0;
  // Exactly one of the two outputs.
  float* y = nullptr;  // [rows][y_stride]
  int64_t y_stride = 0;
  // The caller calls begin_static before and clear_nan_rows after (activation.h). A kernel writes u8 values,
  // and NaN into the scale of a row that holds NaN or Inf (relaxed: several threads may). It writes neither
  // zero nor sum.
  QuantizedRows q;  // unused where q.q is null
  float y_scale = 0.0f;
  int32_t y_zero = 0;  // 0..255; symmetric values are stored as q + 128: y_zero is 128
  bool y_symmetric = false;
};

}  // namespace vqt::cpu
