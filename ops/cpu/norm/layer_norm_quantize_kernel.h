// LayerNorm and the quantization of its result, tile by tile in L1.
#pragma once

#include "cpu/isa.h"
#include "cpu/norm/layer_norm_kernel.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

// rows: whole tiles of quantize.out. norm.y and quantize.x are not used: a tile of the norm is stored in this
// thread's scratch memory.
void layer_norm_quantize(const LayerNorm& norm, const QuantizeRowsJob& quantize, Isa isa, Range rows);

}  // namespace vqt::cpu
