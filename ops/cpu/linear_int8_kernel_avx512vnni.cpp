// int8 on AVX512-VNNI. A tile is 12 rows x 32 columns: 24 accumulators + 2 weights + 1 broadcast = 27 of 32
// registers. Inline asm: around _mm512_dpbusd_epi32 g++ 12 copies each accumulator twice and spills from 8
// rows up. g++ 12's own headers hand these warnings out (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <algorithm>

#include "cpu/avx512vnni.h"
#include "cpu/linear_int8_kernel.h"
#include "cpu/packed_weight.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRows = 12;
constexpr int64_t kBlockBytes = 512 << 10;  // weights that stay in L2 while all rows pass

// Turns the int32 sums of one row and one panel into y, and stores the columns that are wanted.
inline void finish(const LinearInt8& a, int64_t r, int64_t panel_column, Range columns, __m512i sum) {
  const int64_t c = panel_column;
  const int64_t begin = std::max<int64_t>(columns.begin - c, 0),
                end = std::min<int64_t>(columns.end - c, kPanel);
  const __mmask16 wanted = static_cast<__mmask16>((0xffffu << begin) & (0xffffu >> (kPanel - end)));
  const uint32_t x_zero = static_cast<uint32_t>(a.x.zero[r]);
  __m512i dot = _mm512_sub_epi32(sum, _mm512_mullo_epi32(_mm512_set1_epi32(static_cast<int32_t>(x_zero)),
                                                         _mm512_loadu_si512(a.w_sum + c)));
  if (a.w_zero) {
    const uint32_t rest = static_cast<uint32_t>(a.x.sum[r]) - static_cast<uint32_t>(a.k) * x_zero;
    dot = _mm512_sub_epi32(dot, _mm512_mullo_epi32(_mm512_set1_epi32(static_cast<int32_t>(rest)),
                                                   _mm512_loadu_si512(a.w_zero + c)));
  }
  __m512 y = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dot), _mm512_set1_ps(a.x.scale[r])),
                           _mm512_loadu_ps(a.w_scale + c));
  if (a.out.bias) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(wanted, a.out.bias + c - a.out.first_column));
  _mm512_mask_storeu_ps(a.out.y + r * a.out.y_stride + c - a.out.first_column, wanted, y);
}

template <int kRows, int kPanels>
void tile(const LinearInt8& a, int64_t row, int64_t column, Range columns) {
  const uint8_t* x = a.x.q + a.x.offset(row, 0);
  const int64_t row_step = a.x.tile == 1 ? a.x.k_pad : 4;      // bytes from row to row
  const int64_t k_step = a.x.tile == 1 ? 1 : a.x.height(row);  // of one k
  const int8_t* w = a.w + column * a.w_depth();
  const int64_t next_panel = kPanel * a.w_depth();
  __m512i acc[kRows][kPanels];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) acc[r][p] = _mm512_setzero_si512();
  }
  for (int64_t k = 0; k < a.w_depth(); k += 4) {
    const __m512i w0 = _mm512_loadu_si512(w + k * kPanel);
    const __m512i w1 = kPanels == 2 ? _mm512_loadu_si512(w + k * kPanel + next_panel) : w0;
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i v = broadcast4(x + r * row_step + k * k_step);
      dot4(acc[r][0], v, w0);
      if (kPanels == 2) dot4(acc[r][kPanels - 1], v, w1);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) finish(a, row + r, column + p * kPanel, columns, acc[r][p]);
  }
}

using TileFn = void (*)(const LinearInt8& a, int64_t row, int64_t column, Range columns);

template <int kPanels>
constexpr TileFn kTiles[kTileRows + 1] = {
    nullptr,           tile<1, kPanels>,  tile<2, kPanels>, tile<3, kPanels>, tile<4, kPanels>,
    tile<5, kPanels>,  tile<6, kPanels>,  tile<7, kPanels>, tile<8, kPanels>, tile<9, kPanels>,
    tile<10, kPanels>, tile<11, kPanels>, tile<12, kPanels>};

}  // namespace

void linear_int8_avx512vnni(const LinearInt8& a, Range rows, Range columns) {
  const int64_t first = columns.begin / kPanel * kPanel;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / (2 * kPanel * a.w_depth())) * 2 * kPanel;
  for (int64_t start = first; start < columns.end; start += block) {
    const int64_t end = std::min(start + block, columns.end);
    const int64_t last = a.x.first(rows.end);
    for (int64_t r = a.x.first(rows.begin), now; r < last; r += now) {
      now = a.x.height(r);
      for (int64_t c = start; c < end; c += 2 * kPanel) {
        (c + kPanel < columns.end ? kTiles<2> : kTiles<1>)[now](a, r, c, columns);
      }
    }
  }
}

}  // namespace vqt::cpu
