// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/simd/vec_avx512.h"
//
#include "cpu/conv/conv_steps_vec.h"

namespace vqt::cpu {

const ConvSteps& conv_steps_avx512vnni() { return kSteps; }

}  // namespace vqt::cpu
