// layer_norm_kernel.h with vectors of any width. Include a vec_*.h first.
#pragma once

#include "cpu/norm/layer_norm_kernel.h"
#include "cpu/norm/row_norm_vec.h"

namespace vqt::cpu {
namespace {

inline void layer_norm_rows(const LayerNorm& a, Range rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* x = a.x + r * a.x_stride;
    float* y = a.y + r * a.k;
    const Normed value(a.norm, moments_of(x, a.k, a.norm.eps), x);
    const auto load = [](const float* p) { return Vec::load(p); };
    int64_t i = 0;
    for (; i + 32 <= a.k; i += 32) {
      __builtin_prefetch(x + a.x_stride + i);  // the next row
      __builtin_prefetch(x + a.x_stride + i + 16);
#pragma GCC unroll 4
      for (int64_t j = i; j < i + 32; j += Vec::kWidth) value(j, load).store(y + j);
    }
    for (; i + Vec::kWidth <= a.k; i += Vec::kWidth) value(i, load).store(y + i);
    const int64_t n = a.k - i;
    if (n > 0) value(i, [n](const float* p) { return Vec::load_first(p, n); }).store_first(y + i, n);
  }
}

}  // namespace
}  // namespace vqt::cpu
