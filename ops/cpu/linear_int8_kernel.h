// y = x W^T + b for u8 rows of x and s8 weights in panels (packed_weight.h, kCpuInt8), on raw pointers.
//
//   x     [rows][x_stride] u8     values [k, k_pad) of a row are 0; k_pad is k up to a multiple of 4
//   w     [n_pad/16][k_pad/4][16][4] s8    one 32-bit lane holds 4 k's of one column
//
// Every kernel computes, for each row r and column c of W,
//   dot = sum of x * w  -  x_zero * w_sum  -  w_zero * x_sum  +  k * x_zero * w_zero      in int32 that wraps
//   y   = (float(dot) * x_scale) * w_scale + bias       each step rounded to float32, no fused multiply-add
// so the bits are the same for every instruction set, any split into ranges, and whatever the other rows
// hold. dot is exact while k <= kMaxDepth: |(x - x_zero) * (w - w_zero)| is at most 255 * 128 symmetric, 255
// * 255 not.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct LinearInt8 {
  int64_t k = 0, k_pad = 0;
  const uint8_t* x = nullptr;
  int64_t x_stride = 0;             // bytes from row to row
  const float* x_scale = nullptr;   // [rows]; NaN makes the whole row of y NaN
  const int32_t* x_zero = nullptr;  // [rows]
  const int32_t* x_sum = nullptr;   // [rows], sum of the row's u8 values
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;   // [n_pad]
  const int32_t* w_zero = nullptr;  // [n_pad], or null: all 0
  const int32_t* w_sum = nullptr;   // [n_pad]
  int64_t first_column = 0;         // column of W that is column 0 of y and bias
  const float* bias = nullptr;      // [columns of y], or null
  float* y = nullptr;               // [rows][y_stride]
  int64_t y_stride = 0;
};

constexpr int64_t kMaxDepthSymmetric = 65793;
constexpr int64_t kMaxDepthAsymmetric = 33025;

// Fills rows x columns of y. Columns are W's own and may begin and end anywhere. No two calls may share
// outputs.
using LinearInt8Fn = void (*)(const LinearInt8& a, Range rows, Range columns);

void linear_int8_ref(const LinearInt8& a, Range rows, Range columns);
void linear_int8_avx2(const LinearInt8& a, Range rows, Range columns);
void linear_int8_avxvnni(const LinearInt8& a, Range rows, Range columns);
void linear_int8_avx512vnni(const LinearInt8& a, Range rows, Range columns);

// The kernel for an instruction set; the caller has asked available(isa).
LinearInt8Fn linear_int8_kernel(Isa isa);

}  // namespace vqt::cpu
