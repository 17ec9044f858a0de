// What happens to sums of products before y is written, on a GPU: cpu/gemm/epilogue.h's steps in the same order, each
// rounded to float32, so that float32 and u8 results have the CPU's bits (a NaN is a NaN, of any bits).
//
//   dot = sum of x * w  -  x_zero * w_sum  -  w_zero * (x_sum - k * x_zero)      int32 that wraps
//   v   = (float(dot) * w_scale) * x_scale, then bias, GELU or ReLU, gamma, residual, y
//
// Pointers are to the device's memory. finish8.h computes it.
#pragma once

#include <cstdint>

#include "cpu/gemm/epilogue.h"

namespace vqt::cuda {

struct Epilogue {
  int64_t first_column = 0;     // column of the packed weight that is column 0 of everything below
  int64_t columns = 0;          // of y
  const float* bias = nullptr;  // [columns]
  cpu::PostOp post_op = cpu::PostOp::kNone;
  const float* gamma = nullptr;    // [columns]
  const void* residual = nullptr;  // y's type, [rows][residual_stride]
  int64_t residual_stride = 0;
  void* y = nullptr;  // float or bfloat16 [rows][y_stride]; for u8 results tiles [rows][tile_depth(columns)]
  int64_t y_stride = 0;
  // u8 results alone. The caller fills scales, zero points and padding before, and clears rows of NaN after.
  float* q_scale = nullptr;  // [rows]: NaN is written where a row holds NaN or Inf
  float y_scale = 0.0f;
  int32_t y_zero = 0;
  bool y_symmetric = false;
};

// What the sums are made floats with.
struct SumScales {
  int64_t k = 0;
  const float* x_scale = nullptr;   // [rows]
  const int32_t* x_zero = nullptr;  // [rows]
  const int32_t* x_sum = nullptr;   // [rows], read only with w_zero
  const float* w_scale =
      nullptr;  // [n_pad], 16-byte aligned as the packed weight has them; so are the next two
  const int32_t* w_zero = nullptr;  // or null: all 0
  const int32_t* w_sum = nullptr;
};

}  // namespace vqt::cuda
