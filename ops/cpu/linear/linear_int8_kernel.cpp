#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {

LinearInt8Fn linear_int8_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return &linear_int8_avx2;
    case Isa::kAvxVnni:
      return &linear_int8_avxvnni;
    case Isa::kAvx512Vnni:
      return &linear_int8_avx512vnni;
    case Isa::kAmx:  // best_isa() is never this one
    case Isa::kRef:
      break;
  }
  return &linear_int8_ref;
}

LinearInt8Fn product_int8_kernel(Isa isa) {
  return isa == Isa::kAvx512Vnni ? &product_int8_avx512vnni
         : isa == Isa::kAvxVnni  ? &product_int8_avxvnni
                                 : nullptr;
}

}  // namespace vqt::cpu
