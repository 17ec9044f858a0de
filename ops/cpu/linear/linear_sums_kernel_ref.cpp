#include <cstring>

#include "cpu/gemm/epilogue_ref.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_sums_kernel.h"

namespace vqt::cpu {

void shifted_rows(const LinearInt8Job& a, Range rows, int8_t* to) {
  const int64_t depth = a.w_depth();
  for (int64_t row = rows.begin; row < rows.end; ++row, to += depth) {
    const uint8_t* from = a.x.q + a.x.offset(row, 0);
    const int64_t stride = 4 * a.x.height(a.x.first(row));
    for (int64_t k = 0; k < depth; k += 4, from += stride) {
      uint32_t four;
      std::memcpy(&four, from, 4);
      four ^= 0x80808080u;
      std::memcpy(to + k, &four, 4);
    }
  }
}

void panel_columns(const LinearInt8Job& a, Range columns, int8_t* to) {
  const int64_t depth = a.w_depth();
  const int8_t* from = a.w + columns.begin * depth;
  for (int64_t panel = columns.begin; panel < columns.end; panel += kPanel, to += kPanel * depth) {
    for (int64_t k = 0; k < depth; k += 4) {
      for (int64_t c = 0; c < kPanel; ++c, from += 4) std::memcpy(to + c * depth + k, from, 4);
    }
  }
}

void finish_sums_ref(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows, Range columns) {
  for (int64_t r = rows.begin; r < rows.end; ++r, sums += stride) {
    const uint32_t x_zero = uint32_t(a.x.zero[r]);
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      // unsigned: int32 arithmetic that may wrap on the way
      uint32_t dot = uint32_t(sums[c - columns.begin]) + (128u - x_zero) * uint32_t(a.w_sum[c]);
      if (a.w_zero != nullptr) dot -= uint32_t(a.w_zero[c]) * (uint32_t(a.x.sum[r]) - uint32_t(a.k) * x_zero);
      finish(a.out, r, c, float(int32_t(dot)) * a.w_scale[c] * a.x.scale[r]);
    }
  }
}

}  // namespace vqt::cpu
