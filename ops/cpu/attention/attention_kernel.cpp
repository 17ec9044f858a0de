#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {

AttentionKernel attention_kernel(Isa) { return kAttentionRef; }

}  // namespace vqt::cpu
