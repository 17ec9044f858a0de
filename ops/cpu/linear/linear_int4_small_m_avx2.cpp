// int4 on AVX2, few rows: nibbles are unpacked in registers on the way, again for each tile of 4 rows. Up to
// 4 rows that keeps pace with memory.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "cpu/linear/linear_int4_nibbles_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kFewTileRows = 4;

// s16 sums of products over `lanes` 32-bit lanes (4 k's each), as many as s16 has room for.
template <int kRows>
inline void multiply_nibbles(const uint8_t* x, int64_t x_stride, const Group& g, int64_t lanes,
                             __m256i (&part)[kRows][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) part[r][0] = part[r][1] = _mm256_setzero_si256();
  const uint8_t* nibbles = g.nibbles;
  for (int64_t i = 0; i < lanes; i += 2, x += 8, nibbles += 64) {
    _mm_prefetch(nibbles + kAhead, _MM_HINT_T0);
    const Pair w0 = unpack(nibbles, g.zero[0]), w1 = unpack(nibbles + 32, g.zero[1]);
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
void few_rows_tile(const LinearInt4& a, int64_t row, int64_t column, Range columns) {
  const int64_t lanes = a.group / 4, at_once = lanes_at_once(a);
  const uint8_t* group = a.w + column / kPanel * a.groups * a.group_bytes;
  const uint8_t* x = a.x.q + row * a.x.k_pad;
  __m256 sum[kRows][2] = {};
  for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes) {
    Group nibbles = open_group(a, group);
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

using TileFn = void (*)(const LinearInt4& a, int64_t row, int64_t column, Range columns);
constexpr TileFn kFewRowsTiles[kFewTileRows] = {few_rows_tile<1>, few_rows_tile<2>, few_rows_tile<3>,
                                                few_rows_tile<4>};

}  // namespace

void linear_int4_small_m_avx2(const LinearInt4& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4SmallMAvx2);
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    for (int64_t r = rows.begin; r < rows.end; r += kFewTileRows) {
      kFewRowsTiles[std::min(kFewTileRows, rows.end - r) - 1](a, r, c, columns);
    }
  }
}

}  // namespace vqt::cpu
