// y = x W^T + b for u8 rows of x and s8 weights in panels (packed_weight.h, kCpuInt8), on raw pointers.
//
//   x     u8 rows (activation.h); a tile belongs to the range that holds its last row
//   w     s8 [n_pad/16][w_depth/4][16][4]    a 32-bit lane holds 4 values of one column
//
// Every kernel computes, for each row r and column c of W,
//   dot = sum of x * w  -  x_zero * w_sum  -  w_zero * x_sum  +  k * x_zero * w_zero      in int32 that wraps
//   v   = (float(dot) * w_scale) * x_scale              each step rounded to float32, no fused multiply-add
// and passes v to the epilogue (epilogue.h). So the bits are the same for every instruction set, any split
// into ranges, and whatever the other rows hold. dot is exact while k is within the limit of sum_depth
// (vqt/packing.h). x_scale comes last: a row of x may hold 1e37, and dot * x_scale pass float32's range where v
// does not.
#pragma once

#include <cstdint>

#include "cpu/gemm/epilogue.h"
#include "cpu/isa.h"
#include "cpu/layout/activation.h"
#include "cpu/linear/linear_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct LinearInt8Job {
  int64_t k = 0;
  QuantizedRows x;  // sum: read only with w_zero
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;   // [n_pad]
  const int32_t* w_zero = nullptr;  // [n_pad], or null: all 0
  const int32_t* w_sum = nullptr;   // [n_pad]
  Epilogue out;

  int64_t w_depth() const { return (k + 3) / 4 * 4; }  // never above x.k_pad
};

// Fills rows x columns of the result. Columns are W's own and may begin and end anywhere. No two calls
// may share outputs.
using LinearInt8Fn = void (*)(const LinearInt8Job& a, Range rows, Range columns);

void linear_int8_ref(const LinearInt8Job& a, Range rows, Range columns);
void linear_int8_direct_avx2(const LinearInt8Job& a, Range rows, Range columns);
void linear_int8_strassen_avx2(const LinearInt8Job& a, Range rows, Range columns);
void linear_int8_avxvnni(const LinearInt8Job& a, Range rows, Range columns);
void linear_int8_avx512vnni(const LinearInt8Job& a, Range rows, Range columns);
void linear_int8_amx(const LinearInt8Job& a, Range rows,
                     Range columns);  // other k than multiples of 64: AVX512-VNNI's

// The function of a kernel, null where it is not one of these. The caller has
// checked available(isa_of(kernel)).
LinearInt8Fn linear_int8_kernel(LinearKernel kernel);

// For benchmarks: the product alone. What y receives are the int32 sums of x * w, as bits. Null: not there.
void product_int8_avxvnni(const LinearInt8Job& a, Range rows, Range columns);
void product_int8_avx512vnni(const LinearInt8Job& a, Range rows, Range columns);
LinearInt8Fn product_int8_kernel(Isa isa);

}  // namespace vqt::cpu
