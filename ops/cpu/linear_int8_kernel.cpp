#include "cpu/linear_int8_kernel.h"

namespace vqt::cpu {

LinearInt8Fn linear_int8_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return &linear_int8_avx2;
    case Isa::kAvxVnni:
      return &linear_int8_avxvnni;
    case Isa::kAvx512Vnni:
      return &linear_int8_avx512vnni;
    case Isa::kRef:
      break;
  }
  return &linear_int8_ref;
}

}  // namespace vqt::cpu
