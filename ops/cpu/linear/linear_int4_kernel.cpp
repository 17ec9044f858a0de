#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {

LinearInt4Fn linear_int4_kernel(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kInt4Ref:
      return &linear_int4_ref;
    case LinearKernel::kInt4SmallMAvx2:
      return &linear_int4_small_m_avx2;
    case LinearKernel::kInt4LargeMAvx2:
      return &linear_int4_large_m_avx2;
    case LinearKernel::kInt4AvxVnni:
      return &linear_int4_avxvnni;
    case LinearKernel::kInt4SmallMAvx512Vnni:
      return &linear_int4_small_m_avx512vnni;
    case LinearKernel::kInt4LargeMAvx512Vnni:
      return &linear_int4_large_m_avx512vnni;
    default:
      return nullptr;
  }
}

}  // namespace vqt::cpu
