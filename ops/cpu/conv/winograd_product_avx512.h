// What the Winograd products of AVX512-VNNI and AMX share. For files named *_avx512vnni.cpp and *_amx.cpp only.
#pragma once

#include "cpu/conv/winograd_product.h"
#include "cpu/gemm/column_blocks_avx512vnni.h"

namespace vqt::cpu {
namespace {

// multiply(position, column of the matrix, prefetch) for each of the 16 positions, with an even share of the lines that
// will be written brought in before each.
template <class Multiply>
inline void for_each_position(const WinogradProduct& a, int64_t column, int64_t panels,
                              const WinogradPrefetch& prefetch, Multiply multiply) {
  constexpr int64_t kPositions = 16;
  const int64_t depth = a.job.w_depth();
  ColumnBlock next;
  next.next = prefetch.next_column;
  for (int64_t p = 0, pixel = 0; p < kPositions; ++p) {
    for (; pixel < prefetch.count * (p + 1) / kPositions; ++pixel) {
      for (int64_t i = 0; i < prefetch.bytes; i += 64)
        asm volatile("prefetchw %0" : : "m"(prefetch.pixels[pixel][i]));
    }
    const int64_t from = p * a.position_columns;
    const PrefetchShares shares =
        next.prefetch(a.job.w + (from + next.next) * depth, panels * kPanel * depth, depth, prefetch.shares);
    multiply(p, from + column, shares.share(prefetch.share));
  }
}

// Of a panel's columns: from sums of u8 x s8 to the values of linear_int8. Every zero is 128, or its row's scale NaN.
struct PanelScales {
  __m512i from_zero;
  __m512 scale;

  PanelScales(const LinearInt8Job& job, int64_t column)
      : from_zero(_mm512_slli_epi32(_mm512_loadu_si512(job.w_sum + column), 7)),
        scale(_mm512_loadu_ps(job.w_scale + column)) {}

  __m512 values(__m512i sums, float row_scale) const {
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums, from_zero)), scale);
    return _mm512_mul_ps(v, _mm512_set1_ps(row_scale));
  }
};

}  // namespace
}  // namespace vqt::cpu
