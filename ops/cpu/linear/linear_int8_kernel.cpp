#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {

LinearInt8Fn linear_int8_kernel(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kInt8Ref:
      return &linear_int8_ref;
    case LinearKernel::kInt8DirectAvx2:
      return &linear_int8_direct_avx2;
    case LinearKernel::kInt8StrassenAvx2:
      return &linear_int8_strassen_avx2;
    case LinearKernel::kInt8AvxVnni:
      return &linear_int8_avxvnni;
    case LinearKernel::kInt8Avx512Vnni:
      return &linear_int8_avx512vnni;
    case LinearKernel::kInt8Amx:
      return &linear_int8_amx;
    default:
      return nullptr;
  }
}

LinearInt8Fn product_int8_kernel(Isa isa) {
  return isa == Isa::kAvx512Vnni ? &product_int8_avx512vnni
         : isa == Isa::kAvxVnni  ? &product_int8_avxvnni
                                 : nullptr;
}

}  // namespace vqt::cpu
