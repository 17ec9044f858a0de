// y = x W^T + b for u8 rows of x and 4-bit weights in panels (packed_weight.h, kCpuInt4), on raw pointers.
//
//   x   u8 rows (activation.h); a tile belongs to the range that holds its last row
//   w   [n_pad/16] panels, each [groups] x { scale f32[16] | zero u8[16] | nibbles u8 [depth/8][16][4] }
//       depth: group, of the last one what is left of x.k_pad
//       zero: asymmetric weights only; symmetric nibbles are q + 8, their zero is 8
//       a byte holds value k (low nibble) and value k + 4 (high nibble) of one column
//
// Every kernel computes, for each row r and column c of W, with each step rounded to float32
// and nothing fused,
//   sum = 0; for each group in order: sum = sum + scale * float(sum of x * (nibble - zero) in int32)
//   v   = (sum - float(x_zero) * offset) * x_scale
// and passes v to the epilogue (epilogue.h). So the bits are the same for every instruction set, any split
// into ranges, and whatever the other rows hold. A group's sum is exact while the group is within the limit
// of sum_depth (vqt/packing.h).
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/gemm/epilogue.h"
#include "cpu/isa.h"
#include "cpu/layout/activation.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct LinearInt4Job {
  int64_t groups = 0, group = 0;  // of one row; group is padded to a multiple of 8
  int64_t group_bytes = 0;        // of one group of one panel, the last one may have less
  bool symmetric = true;
  QuantizedRows x;  // sum: not read
  const uint8_t* w = nullptr;
  const float* offset = nullptr;  // [n_pad], sum over groups of scale * sum(nibble - zero)
  Epilogue out;

  int64_t depth(int64_t g) const { return std::min(group, x.k_pad - g * group); }
  int64_t panel_bytes() const { return groups * group_bytes - (groups * group - x.k_pad) * kPanel / 2; }
};

// Fills rows x columns of the result. Columns are W's own and may begin and end anywhere. No two calls
// may share outputs.
using LinearInt4Fn = void (*)(const LinearInt4Job& a, Range rows, Range columns);

void linear_int4_ref(const LinearInt4Job& a, Range rows, Range columns);
void linear_int4_small_m_avx2(const LinearInt4Job& a, Range rows, Range columns);
void linear_int4_large_m_avx2(const LinearInt4Job& a, Range rows, Range columns);
void linear_int4_avxvnni(const LinearInt4Job& a, Range rows, Range columns);
void linear_int4_small_m_avx512vnni(const LinearInt4Job& a, Range rows, Range columns);
void linear_int4_large_m_avx512vnni(const LinearInt4Job& a, Range rows, Range columns);

// The function of a kernel, null where it is not one of these. The caller has
// checked available(isa_of(kernel)).
LinearInt4Fn linear_int4_kernel(LinearKernel kernel);

}  // namespace vqt::cpu
