// What g++ 12 has for some AVX512 functions warns of a variable of its own.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <algorithm>

#include "cpu/gemm/epilogue_avx512.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_sums_kernel.h"

namespace vqt::cpu {

void finish_sums_avx512vnni(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows,
                            Range columns) {
  for (int64_t row = rows.begin; row < rows.end;) {
    int64_t end = std::min(row + kTileRowsAvx512, rows.end);
    if (a.out.q.q != nullptr) end = std::min(end, a.out.q.first(row) + a.out.q.height(a.out.q.first(row)));
    for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
      const __mmask16 wanted = lanes_in(columns, c);
      const __m512i w_sum = _mm512_maskz_loadu_epi32(wanted, a.w_sum + c);
      const __m512i w_zero =
          a.w_zero == nullptr ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi32(wanted, a.w_zero + c);
      const __m512 w_scale = _mm512_maskz_loadu_ps(wanted, a.w_scale + c);
      const int32_t* from = sums + (row - rows.begin) * stride + c - columns.begin;
      finish_panel(
          a.out, row, end - row, c, columns, [&](int64_t i) __attribute__((always_inline)) {
            const int64_t r = row + i;
            const __m512i factor = _mm512_set1_epi32(128 - a.x.zero[r]);
            __m512i dot = _mm512_add_epi32(_mm512_maskz_loadu_epi32(wanted, from + i * stride),
                                           _mm512_mullo_epi32(factor, w_sum));
            if (a.w_zero != nullptr) {
              // unsigned: int32 arithmetic that may wrap on the way
              const uint32_t x_part = uint32_t(a.x.sum[r]) - uint32_t(a.k) * uint32_t(a.x.zero[r]);
              dot = _mm512_sub_epi32(dot, _mm512_mullo_epi32(w_zero, _mm512_set1_epi32(int32_t(x_part))));
            }
            const __m512 v = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xffff, dot), w_scale);
            return _mm512_mul_ps(v, _mm512_set1_ps(a.x.scale[r]));
          });
    }
    row = end;
  }
}

}  // namespace vqt::cpu
