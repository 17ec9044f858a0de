#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {

AttentionKernel attention_kernel(Isa isa) {
  return isa == Isa::kAvx512Vnni ? kAttentionAvx512Vnni : kAttentionRef;
}

}  // namespace vqt::cpu
