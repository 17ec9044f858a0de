#include "cpu/simd/vec_avx512.h"
//
#include "cpu/norm/layer_norm_vec.h"

namespace vqt::cpu {

void layer_norm_avx512vnni(const LayerNorm& a, Range rows) { layer_norm_rows(a, rows); }

}  // namespace vqt::cpu
