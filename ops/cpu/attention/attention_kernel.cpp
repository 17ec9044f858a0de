#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {

AttentionKernel attention_kernel(Isa isa, int64_t keys) {
  if (keys <= kFewKeys) return kAttentionFewKeys;
  switch (isa) {
    case Isa::kAvx2:
      return kAttentionAvx2;
    case Isa::kAvxVnni:
      return kAttentionAvxVnni;
    case Isa::kAvx512Vnni:
      return kAttentionAvx512Vnni;
    case Isa::kAmx:
      return kAttentionAmx;
    default:
      return kAttentionRef;
  }
}

// VQT_ISA=amx is allowed on any CPU: torch has other instructions then, these kernels do not.
AttentionKernel best_attention_kernel(int64_t keys) {
  const bool amx = amx_use() != AmxUse::kNever && available(Isa::kAmx);
  return attention_kernel(amx ? Isa::kAmx : best_isa(), keys);
}

}  // namespace vqt::cpu
