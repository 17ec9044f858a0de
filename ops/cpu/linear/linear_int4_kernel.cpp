#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {

LinearInt4Fn linear_int4_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return &linear_int4_avx2;
    case Isa::kAvxVnni:
      return &linear_int4_avxvnni;
    case Isa::kAvx512Vnni:
      return &linear_int4_avx512vnni;
    case Isa::kAmx:  // best_isa() is never this one
    case Isa::kRef:
      break;
  }
  return &linear_int4_ref;
}

}  // namespace vqt::cpu
