// Values of a canonical weight: s8 or u8 [n][k], s16 [n][k], or nibbles [n][ceil(k/2)], low nibble first.
#pragma once

#include <cstdint>

namespace vqt::cpu {

// (q - zero) * scale of columns [k, k + count) of one row that share a scale.
void dequantize_values(const void* row, int64_t k, int64_t count, int64_t bits, bool symmetric, float scale,
                       int32_t zero, float* out);

}  // namespace vqt::cpu
