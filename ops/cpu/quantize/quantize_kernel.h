// A float tensor to and from the canonical layout. A scheme's granularity is two numbers here: `run`, how many
// values share a scale (everything, a row, a group), and `width`, the values of a row with those that its last group
// lacks. Value i of row r has scale[(r * width + i) / run].
#pragma once

#include <cstdint>

namespace vqt::cpu {

struct Quantized {
  int64_t n = 0, k = 0;  // rows and columns of the float tensor
  int64_t run = 1;       // values per scale
  int64_t width = 0;     // k, or k rounded up to a multiple of a group
  int64_t bits = 8;      // 4, 8 or 16
  bool symmetric = true;
  const float* scale = nullptr;   // [ceil(n * width / run)]
  const int32_t* zero = nullptr;  // like scale; null: all 0
};

// x [n][k] -> q: s8 or u8 [n][k], s16 [n][k], or nibbles [n][ceil(k/2)], low first, an unused last nibble 0.
// Returns whether the rows hold only finite numbers; where not, q is unspecified.
bool quantize_weight_rows(const Quantized& a, const float* x, int64_t row_begin, int64_t row_end, void* q);

// (q - zero) * scale for rows [row_begin, row_end). out: their first value, [rows][k].
void dequantize_weight_rows(const Quantized& a, const void* q, int64_t row_begin, int64_t row_end,
                            float* out);

}  // namespace vqt::cpu
