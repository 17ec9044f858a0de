// int8 on AVX2, small m: weights are widened in registers.
//
// 4 values of k for 4 rows x 16 columns take 16 vpmaddwd (two a cycle), 16 vpaddd and 6 shifts on four ports:
// 0.84 of vpmaddwd's rate. Widening a panel once for all rows saves the shifts and costs stores and loads:
// below 32 rows it gains nothing, above Strassen's scheme is faster.
#include <algorithm>
#include <cstdint>

#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_widened_avx2.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kDirectRows = 4;  // of a tile: 8 sums, 4 weights, a broadcast, a product

inline __m256i broadcast2(const int16_t* pair) {
  return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(pair)));
}

// Memory that is prefetched while a tile is computed, `step` bytes further for each lane of k.
struct Prefetch {
  const int8_t* at;
  int64_t step;
};

// x: widened rows less their zeros, [kRows][lanes][even, odd].
template <int kRows>
void direct_tile(const LinearInt8Job& a, const int16_t* x, int64_t row, int64_t panel_column, Range columns,
                 Prefetch prefetch) {
  const int64_t lanes = a.w_depth() / 4;
  const int8_t* w = a.w + panel_column * a.w_depth();
  __m256i acc[kRows][2] = {};
  for (int64_t k = 0; k < lanes; ++k, w += 64, prefetch.at += prefetch.step) {
    _mm_prefetch(prefetch.at, _MM_HINT_T1);
    const Wide w0 = widen_signed(load(w)), w1 = widen_signed(load(w + 32));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i even = broadcast2(x + 4 * (r * lanes + k));
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(even, w0.even));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(even, w1.even));
      const __m256i odd = broadcast2(x + 4 * (r * lanes + k) + 2);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(odd, w0.odd));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(odd, w1.odd));
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) finish_panel(a, row + r, panel_column, columns, acc[r][0], acc[r][1]);
}

using DirectTileFn = void (*)(const LinearInt8Job& a, const int16_t* x, int64_t row, int64_t panel_column,
                              Range columns, Prefetch prefetch);
constexpr DirectTileFn kDirectTiles[kDirectRows] = {direct_tile<1>, direct_tile<2>, direct_tile<3>,
                                                    direct_tile<4>};

// x - x_zero, [rows][lanes][even, odd].
inline void widen_rows(const LinearInt8Job& a, Range rows, int16_t* to) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const uint8_t* from = a.x.q + r * a.x.k_pad;
    const int32_t zero = a.x.zero[r];
    for (int64_t k = 0; k < a.w_depth(); k += 4, to += 4) {
      to[0] = static_cast<int16_t>(from[k] - zero);
      to[1] = static_cast<int16_t>(from[k + 2] - zero);
      to[2] = static_cast<int16_t>(from[k + 1] - zero);
      to[3] = static_cast<int16_t>(from[k + 3] - zero);
    }
  }
}

}  // namespace

// While the tiles of a panel are computed they prefetch the next panel, each its share: sums do not wait for
// memory, and memory does not wait for sums.
void linear_int8_direct_avx2(const LinearInt8Job& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  count_run(LinearKernel::kInt8DirectAvx2);
  const int64_t depth = a.w_depth(), tiles = (rows.size() + kDirectRows - 1) / kDirectRows;
  int16_t* x = static_cast<int16_t*>(scratch(static_cast<size_t>(rows.size() * depth) * 2));
  widen_rows(a, rows, x);
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    const int64_t next = c + kPanel < columns.end ? c + kPanel : c;
    Prefetch prefetch = {a.w + next * depth, next == c ? 0 : std::max<int64_t>(1, 64 / tiles)};
    for (int64_t r = rows.begin; r < rows.end; r += kDirectRows) {
      const int64_t count = std::min(kDirectRows, rows.end - r);
      kDirectTiles[count - 1](a, x + (r - rows.begin) * depth, r, c, columns, prefetch);
      prefetch.at += prefetch.step * depth / 4;
    }
  }
}

}  // namespace vqt::cpu
