#include "cpu/simd/vec_avx2.h"
//
#include "cpu/norm/rotary_vec.h"

namespace vqt::cpu {

void rotary_avx2(const Rotary& a, Range tokens) { rotary_rows(a, tokens); }

}  // namespace vqt::cpu
