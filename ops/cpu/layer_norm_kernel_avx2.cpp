#include "cpu/layer_norm_kernel.h"
#include "cpu/vec_avx2.h"
//
#include "cpu/row_norm_vec.h"

namespace vqt::cpu {

void layer_norm_avx2(const LayerNorm& a, Range rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) norm_row(a.norm, a.x + r * a.x_stride, a.k, a.y + r * a.k);
}

}  // namespace vqt::cpu
