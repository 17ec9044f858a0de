// What follows the int32 sums of a group, and those of all groups, in both int4 kernels for AVX512-VNNI. For files
// named *_avx512vnni.cpp only.
#pragma once

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/gemm/epilogue_avx512.h"
#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {
namespace {

// Float sums of a tile: [rows][panels][16].
constexpr int64_t kTileSums = kTileRowsAvx512 * 2 * kPanel;
static_assert(kTileSums >= kRowsOf4Panels * 4 * kPanel && kTileSums >= kRowsOf8Panels * 8 * kPanel);

// sums += scale * dot. scales: f32[16] of the first panel, the next panel's stride bytes further.
template <int kRows, int kPanels>
inline __attribute__((always_inline)) void add_group(const __m512i (&dot)[kRows][kPanels],
                                                     const uint8_t* scales, int64_t stride, float* sums) {
#pragma GCC unroll 8
  for (int p = 0; p < kPanels; ++p) {
    const __m512 scale = _mm512_loadu_ps(scales + p * stride);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      float* sum = sums + (r * kPanels + p) * kPanel;
      const __m512 scaled = _mm512_mul_ps(scale, _mm512_cvtepi32_ps(dot[r][p]));
      _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), scaled));
    }
  }
}

// The rest of the formula (linear_int4_kernel.h), and the epilogue.
void finish(const LinearInt4Job& a, int64_t row, int64_t rows, const ColumnBlock& column_block, Range columns,
            const float* sums) {
  // Copies: what is stored might otherwise be one of a's fields.
  const float* const x_scale = a.x.scale + row;
  const int32_t* const x_zero = a.x.zero + row;
  const int64_t pitch = column_block.panels * kPanel;
  for (int64_t p = 0; p < column_block.panels; ++p, sums += kPanel) {
    const int64_t c = column_block.column + p * kPanel;
    const __m512 offset = _mm512_loadu_ps(a.offset + c);
    finish_panel(
        a.out, row, rows, c, columns, [=](int64_t r) __attribute__((always_inline)) {
          const __m512 from_zero = _mm512_mul_ps(_mm512_set1_ps(static_cast<float>(x_zero[r])), offset);
          return _mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(sums + r * pitch), from_zero),
                               _mm512_set1_ps(x_scale[r]));
        });
  }
}

}  // namespace
}  // namespace vqt::cpu
