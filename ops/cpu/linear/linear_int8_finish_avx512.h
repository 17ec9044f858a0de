// What follows a tile's int32 sums in the int8 kernels for AVX512-VNNI and AMX. For files named *_avx512vnni.cpp and
// *_amx.cpp only.
#pragma once

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/gemm/epilogue_avx512.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {
namespace {

// sums: [rows][panels][16]
void finish(const LinearInt8Job& a, int64_t row, int64_t rows, const ColumnBlock& column_block, Range columns,
            const int32_t* sums) {
  // Copies: what is stored might otherwise be one of a's fields.
  const float* const x_scale = a.x.scale + row;
  const int32_t *const x_zero = a.x.zero + row, *const x_sum = a.x.sum + row;
  const auto depth = static_cast<uint32_t>(a.k);
  const int64_t pitch = column_block.panels * kPanel;
  for (int64_t p = 0; p < column_block.panels; ++p, sums += kPanel) {
    const int64_t c = column_block.column + p * kPanel;
    const __m512i w_sum = _mm512_loadu_si512(a.w_sum + c);
    const __m512 w_scale = _mm512_loadu_ps(a.w_scale + c);
    const auto without_x_zero = [=](int64_t r) __attribute__((always_inline)) {
      const __m512i from_zero = _mm512_mullo_epi32(_mm512_set1_epi32(x_zero[r]), w_sum);
      return _mm512_sub_epi32(_mm512_load_si512(sums + r * pitch), from_zero);
    };
    const auto scaled = [=](int64_t r, __m512i dot) __attribute__((always_inline)) {
      return _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), w_scale), _mm512_set1_ps(x_scale[r]));
    };
    if (a.w_zero == nullptr) {
      finish_panel(
          a.out, row, rows, c,
          columns, [=](int64_t r) __attribute__((always_inline)) { return scaled(r, without_x_zero(r)); });
      continue;
    }
    const __m512i w_zero = _mm512_loadu_si512(a.w_zero + c);
    finish_panel(
        a.out, row, rows, c, columns, [=](int64_t r) __attribute__((always_inline)) {
          const uint32_t rest = static_cast<uint32_t>(x_sum[r]) - depth * static_cast<uint32_t>(x_zero[r]);
          const __m512i from_zero = _mm512_mullo_epi32(_mm512_set1_epi32(static_cast<int32_t>(rest)), w_zero);
          return scaled(r, _mm512_sub_epi32(without_x_zero(r), from_zero));
        });
  }
}

}  // namespace
}  // namespace vqt::cpu
