// int4 on AVX512-VNNI: nibbles are unpacked on the way into vpdpbusd, each group's int32 sums are scaled into
// float ones. A tile is 12 rows x 16 columns: 12 int32 and 12 float accumulators, 2 weights, 1 zero, 1 mask,
// 1 broadcast = 29 of 32 registers. Inline asm for the same reason as in int8. g++ 12's own headers hand
// these warnings out (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <algorithm>

#include "cpu/avx512vnni.h"
#include "cpu/linear_int4_kernel.h"
#include "cpu/packed_weight.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRows = 12;

// Turns the sums of one row and one panel into y, and stores the columns that are wanted.
inline void finish(const LinearInt4& a, int64_t r, int64_t panel_column, Range columns, __m512 sum) {
  const int64_t c = panel_column;
  const int64_t begin = std::max<int64_t>(columns.begin - c, 0),
                end = std::min<int64_t>(columns.end - c, kPanel);
  const __mmask16 wanted = static_cast<__mmask16>((0xffffu << begin) & (0xffffu >> (kPanel - end)));
  const __m512 from_zero =
      _mm512_mul_ps(_mm512_set1_ps(static_cast<float>(a.x.zero[r])), _mm512_loadu_ps(a.offset + c));
  __m512 y = _mm512_mul_ps(_mm512_sub_ps(sum, from_zero), _mm512_set1_ps(a.x.scale[r]));
  if (a.out.bias) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(wanted, a.out.bias + c - a.out.first_column));
  _mm512_mask_storeu_ps(a.out.y + r * a.out.y_stride + c - a.out.first_column, wanted, y);
}

template <int kRows>
void tile(const LinearInt4& a, int64_t row, int64_t column, Range columns) {
  const uint8_t* group = a.w + column / kPanel * a.groups * a.group_bytes;
  const uint8_t* x = a.x.q + a.x.offset(row, 0);
  const int64_t row_step = a.x.tile == 1 ? a.x.k_pad : 4;      // bytes from row to row
  const int64_t k_step = a.x.tile == 1 ? 1 : a.x.height(row);  // of one k
  const __m512i low = _mm512_set1_epi8(15);
  __m512 sum[kRows];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) sum[r] = _mm512_setzero_ps();
  for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes, x += a.group * k_step) {
    const uint8_t* zeros = group + kPanel * sizeof(float);
    const uint8_t* nibbles = a.symmetric ? zeros : zeros + kPanel;
    __m512i zero = _mm512_set1_epi8(8);
    if (!a.symmetric) {  // every byte of a column's 32-bit lane
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(zeros));
      zero = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(0x01010101));
    }
    __m512i dot[kRows];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) dot[r] = _mm512_setzero_si512();
    for (int64_t k = 0; k < a.group; k += 8) {
      const __m512i v = _mm512_loadu_si512(nibbles + k * (kPanel / 2));
      const __m512i w0 = _mm512_sub_epi8(_mm512_and_si512(v, low), zero);
      const __m512i w1 = _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(v, 4), low), zero);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        dot4(dot[r], broadcast4(x + r * row_step + k * k_step), w0);
        dot4(dot[r], broadcast4(x + r * row_step + (k + 4) * k_step), w1);
      }
    }
    const __m512 scale = _mm512_loadu_ps(reinterpret_cast<const float*>(group));
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      sum[r] = _mm512_add_ps(sum[r], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(dot[r])));
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) finish(a, row + r, column, columns, sum[r]);
}

using TileFn = void (*)(const LinearInt4& a, int64_t row, int64_t column, Range columns);
constexpr TileFn kTiles[kTileRows + 1] = {nullptr, tile<1>, tile<2>, tile<3>,  tile<4>,  tile<5>, tile<6>,
                                          tile<7>, tile<8>, tile<9>, tile<10>, tile<11>, tile<12>};

}  // namespace

void linear_int4_avx512vnni(const LinearInt4& a, Range rows, Range columns) {
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    const int64_t last = a.x.first(rows.end);
    for (int64_t r = a.x.first(rows.begin); r < last; r += a.x.height(r)) {
      kTiles[a.x.height(r)](a, r, c, columns);
    }
  }
}

}  // namespace vqt::cpu
