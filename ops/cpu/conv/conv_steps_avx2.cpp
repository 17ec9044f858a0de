#include "cpu/simd/vec_avx2.h"
//
#include "cpu/conv/conv_steps_vec.h"

namespace vqt::cpu {

const ConvSteps& conv_steps_avx2() { return kSteps; }

}  // namespace vqt::cpu
