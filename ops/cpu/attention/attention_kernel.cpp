#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {

AttentionKernel attention_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return kAttentionAvx2;
    case Isa::kAvxVnni:
      return kAttentionAvxVnni;
    case Isa::kAvx512Vnni:
      return kAttentionAvx512Vnni;
    default:
      return kAttentionRef;
  }
}

}  // namespace vqt::cpu
