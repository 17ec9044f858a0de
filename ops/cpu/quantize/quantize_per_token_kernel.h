// The input of an integer linear: every row of x gets a scale and a zero point, and becomes u8.
//
//   asymmetric  q = clamp(round(x / scale + zero), 0, 255)
//               dynamic: the range is widened to hold 0,
//                        scale = (max - min) / 255 (max / 255 - min / 255 where max - min passes float32's
//                        range), zero = clamp(round(-min / scale), 0, 255)
//   symmetric   q = clamp(round(x / scale), -127, 127), stored as q + 128 with zero 128
//               dynamic: scale = max|x| / 127
//
// x' = (q - zero) * scale in every mode. A scale that comes out 0 is replaced by 1, and every value of the
// row is its zero point. A row that holds NaN or Inf is all 0 with zero 0, sum 0 and scale NaN, with static
// parameters too: every product with it is NaN. Every kernel gives the reference's bits, for any split of the
// rows.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/layout/activation.h"

namespace vqt::cpu {

struct QuantizeRowsJob {
  QuantizedRows out;         // k_pad >= k, bytes from k on become 0; sum null: not computed
  const float* x = nullptr;  // row r begins at x + r * x_stride
  int64_t x_stride = 0;
  int64_t k = 0;
  bool symmetric = false;
  bool dynamic = true;
  float static_scale = 1.0f;  // with dynamic false: > 0
  int32_t static_zero = 0;    // 0..255, 0 with symmetric (stored as 128)
};

// Rows may begin and end anywhere; ranges that hold whole tiles are faster.
using QuantizeRowsFn = void (*)(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end);

void quantize_rows_ref(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end);
void quantize_rows_avx2(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end);
void quantize_rows_avx512vnni(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end);

inline QuantizeRowsFn quantize_rows_kernel(Isa isa) {
  return kernel_for(isa, quantize_rows_ref, quantize_rows_avx2, quantize_rows_avx512vnni);
}

}  // namespace vqt::cpu
