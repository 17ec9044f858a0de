// LayerNorm and the quantization of its result, tile by tile in the first cache.
#pragma once

#include "cpu/isa.h"
#include "cpu/norm/layer_norm_kernel.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

// rows: whole tiles of quantize.out. What norm.y and quantize.x point to is not used: a row of the norm lives
// in this thread's scratch.
void layer_norm_quantize(const LayerNorm& norm, const QuantizeRows& quantize, Isa isa, Range rows);

}  // namespace vqt::cpu
