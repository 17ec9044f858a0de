// y = x W^T + b for u8 rows of x and weights whose groups do not fit panels (no multiples of 8, or
// from row to row): plain loops over canonical integers, right rather than fast.
//   v = (sum over the runs of a row of w_scale * float(sum of (x - x_zero) * (q - w_zero))) * x_scale
// which the epilogue takes on.
#pragma once

#include <cstdint>

#include "cpu/gemm/epilogue.h"
#include "cpu/layout/activation.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct LinearCanonicalJob {
  int64_t k = 0;
  QuantizedRows x;   // sum: not read
  int64_t bits = 8;  // 4 or 8
  bool symmetric = true;
  const void* w = nullptr;  // canonical [n][k], or [n][ceil(k/2)] nibbles
  int64_t run = 1;          // values that share a scale: value i of row r has w_scale[(r * width + i) / run]
  int64_t width = 0;
  const float* w_scale = nullptr;
  const int32_t* w_zero = nullptr;
  Epilogue out;
};

void linear_canonical(const LinearCanonicalJob& a, Range rows, Range columns);

}  // namespace vqt::cpu
