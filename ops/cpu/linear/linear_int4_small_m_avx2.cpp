// int4 on AVX2, small m: nibbles are unpacked in registers, again for each tile of 4 rows. Up to
// 4 rows that keeps pace with memory.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "cpu/linear/linear_int4_nibbles_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kSmallMTileRows = 4;

// s16 sums of products over `lanes` 32-bit lanes (4 values of k each), as many as s16 has room for.
template <int kRows>
inline void multiply_nibbles(const uint8_t* x, int64_t x_stride, const NibbleGroup& g, int64_t lanes,
                             __m256i (&part)[kRows][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) part[r][0] = part[r][1] = _mm256_setzero_si256();
  const uint8_t* nibbles = g.nibbles;
  for (int64_t i = 0; i < lanes; i += 2, x += 8, nibbles += 64) {
    _mm_prefetch(nibbles + kPrefetchBytes, _MM_HINT_T0);
    const NibblePair w0 = unpack_nibbles(nibbles, g.zero[0]), w1 = unpack_nibbles(nibbles + 32, g.zero[1]);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i low = broadcast4(x + r * x_stride), high = broadcast4(x + r * x_stride + 4);
      part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(low, w0.low));
      part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(low, w1.low));
      part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(high, w0.high));
      part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(high, w1.high));
    }
  }
}

template <int kRows>
void small_m_tile(const LinearInt4Job& a, int64_t row, int64_t column, Range columns) {
  const int64_t at_once = lanes_at_once(a);
  const uint8_t* group = a.w + column / kPanel * a.panel_bytes();
  const uint8_t* x = a.x.q + row * a.x.k_pad;
  __m256 sum[kRows][2] = {};
  for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes) {
    NibbleGroup nibbles = open_group(a, group);
    const int64_t lanes = a.depth(g) / 4;
    __m256i dot[kRows][2] = {};
    for (int64_t i = 0; i < lanes; i += at_once) {
      const int64_t now = std::min(at_once, lanes - i);
      __m256i part[kRows][2];
      multiply_nibbles<kRows>(x, a.x.k_pad, nibbles, now, part);
      widen(part, dot);
      nibbles.nibbles += 32 * now;
      x += 4 * now;
    }
    add_group(group, dot, sum);
  }
  for (int r = 0; r < kRows; ++r) finish_panel(a, row + r, column, columns, sum[r]);
}

using TileFn = void (*)(const LinearInt4Job& a, int64_t row, int64_t column, Range columns);
constexpr TileFn kSmallMTiles[kSmallMTileRows] = {small_m_tile<1>, small_m_tile<2>, small_m_tile<3>,
                                                  small_m_tile<4>};

}  // namespace

void linear_int4_small_m_avx2(const LinearInt4Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4SmallMAvx2);
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    for (int64_t r = rows.begin; r < rows.end; r += kSmallMTileRows) {
      kSmallMTiles[std::min(kSmallMTileRows, rows.end - r) - 1](a, r, c, columns);
    }
  }
}

}  // namespace vqt::cpu
