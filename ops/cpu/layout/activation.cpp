#include "cpu/layout/activation.h"

#include <cmath>
#include <cstring>

namespace vqt::cpu {

void begin_static(const QuantizedRows& a, int64_t k, float scale, int32_t zero) {
  std::fill_n(a.scale, a.rows, scale);
  std::fill_n(a.zero, a.rows, zero);
  std::fill_n(a.sum, a.rows, -1);
  const int64_t written = k / 4 * 4;  // the group of 4 that is in use in part is cleared too
  if (k == a.k_pad) return;
  for (int64_t row = 0; row < a.rows; row += a.height(row)) {
    const int64_t h = a.height(row);
    std::memset(a.q + a.offset(row, written), 0, static_cast<size_t>((a.k_pad - written) * h));
  }
}

void clear_nan_rows(const QuantizedRows& a) {
  for (int64_t row = 0; row < a.rows; ++row) {
    if (!std::isnan(a.scale[row])) continue;
    a.zero[row] = 0;
    for (int64_t k = 0; k < a.k_pad; k += 4) std::memset(a.q + a.offset(row, k), 0, 4);
  }
}

void sum_rows(const QuantizedRows& a, int64_t row_begin, int64_t row_end, int32_t* sum) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t step = 4 * a.height(a.first(row));
    const uint8_t* q = a.q + a.offset(row, 0);
    sum[row] = 0;
    for (int64_t k = 0; k < a.k_pad; k += 4, q += step) sum[row] += q[0] + q[1] + q[2] + q[3];
  }
}

}  // namespace vqt::cpu
