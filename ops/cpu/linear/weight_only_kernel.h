// y = x W^T + b in float32 with a weight that is stored as integers and never float as a whole.
//
//   kInt8, kInt4   panels of 16 columns as in packed_weight.h
//   kInt16         rows as they are: int16 [n][k]
//
// Small m: the integers become float in registers, just before they are multiplied. The time is that of
// reading the weight: a half, a quarter or an eighth of float's bytes. Large m: a panel's values become float
// in L1, once for as many rows of x as L2 holds. Equal to the product with the dequantized weight up to
// rounding: the order of sums depends on the kernel, never on how the work is split.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/isa.h"
#include "cpu/layout/packed_weight.h"
#include "cpu/linear/linear_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct WeightOnlyJob {
  enum class Kind : uint8_t { kInt8, kInt4, kInt16 };
  Kind kind = Kind::kInt8;
  int64_t k = 0;
  const float* x = nullptr;  // [rows][k]
  const uint8_t* w = nullptr;
  // int8: one a column. int4: in the panels. int16: one a column, or one for all.
  const float* scale = nullptr;
  bool one_scale = false;
  const int32_t* zero = nullptr;  // int8, asymmetric only: one a column
  // int4: groups of a row, values in each (padded to 8; the last may have fewer), bytes of one in a panel
  int64_t groups = 1, group = 0, group_bytes = 0;
  bool symmetric = true;
  int64_t k_pad = 0;            // of the panels: k up to 8 (int4) or 4
  int64_t first_column = 0;     // column of the weight that is column 0 of bias and y
  const float* bias = nullptr;  // or null
  float* y = nullptr;           // [rows][y_stride]
  int64_t y_stride = 0;

  int64_t depth(int64_t g) const { return std::min(group, k_pad - g * group); }  // int4: values of group g
  int64_t panel_bytes() const { return groups * group_bytes - (groups * group - k_pad) * kPanel / 2; }
};

// Fills rows x columns (of the weight) of y. Rows begin at a multiple of 4, columns at a.first_column or at a
// multiple of kPanel: then any split gives the same bits.
using WeightOnlyFn = void (*)(const WeightOnlyJob& a, Range rows, Range columns);

void weight_only_ref(const WeightOnlyJob& a, Range rows, Range columns);
void weight_only_small_m_avx2(const WeightOnlyJob& a, Range rows, Range columns);
void weight_only_large_m_avx2(const WeightOnlyJob& a, Range rows, Range columns);
void weight_only_small_m_avx512vnni(const WeightOnlyJob& a, Range rows, Range columns);
void weight_only_large_m_avx512vnni(const WeightOnlyJob& a, Range rows, Range columns);

// The function of a kernel, null where it is not one of these. The caller has
// checked available(isa_of(kernel)).
WeightOnlyFn weight_only_kernel(LinearKernel kernel);

// Points a at the weights of a packed block (aligned to 4 bytes). False: its layout has no kernel here.
bool set_weight(WeightOnlyJob& a, const PackedHeader& header, const uint8_t* block);

}  // namespace vqt::cpu
