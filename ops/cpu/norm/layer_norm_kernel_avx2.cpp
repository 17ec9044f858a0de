#include "cpu/simd/vec_avx2.h"
//
#include "cpu/norm/layer_norm_vec.h"

namespace vqt::cpu {

void layer_norm_avx2(const LayerNorm& a, Range rows) { layer_norm_rows(a, rows); }

}  // namespace vqt::cpu
