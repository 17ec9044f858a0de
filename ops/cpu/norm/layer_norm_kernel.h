// LayerNorm of rows (row_norm.h). Every kernel gives the reference's bits, for any split of the rows.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/norm/row_norm.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct LayerNorm {
  const float* x = nullptr;  // row r begins at x + r * x_stride
  int64_t x_stride = 0;
  float* y = nullptr;  // [rows][k], not x
  int64_t k = 0;
  RowNorm norm;
};

using LayerNormFn = void (*)(const LayerNorm& a, Range rows);

void layer_norm_ref(const LayerNorm& a, Range rows);
void layer_norm_avx2(const LayerNorm& a, Range rows);
void layer_norm_avx512vnni(const LayerNorm& a, Range rows);

inline LayerNormFn layer_norm_kernel(Isa isa) {
  return kernel_for(isa, layer_norm_ref, layer_norm_avx2, layer_norm_avx512vnni);
}

}  // namespace vqt::cpu
