// The product of both AVX-VNNI linears: kRows rows of x times a panel of the weight. For files
// named *_avxvnni.cpp only.
//
//   x       kRows rows of u8, x_stride bytes apart
//   w       [depth/4][16][4] s8
//   result  int32 [kRows][16]
//
// 6 rows are 12 accumulators + 2 weights + 1 broadcast = 15 of 16 registers: 12 vpdpbusd and 8 loads for
// every 4 values of k, 6 cycles where two vpdpbusd start in a cycle. Inline asm, volatile and pinned: else
// g++ 12 copies accumulators around each _mm256_dpbusd_avx_epi32, and spills.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

namespace vqt::cpu {
namespace {

constexpr int kTileRowsAvxVnni = 6;

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// acc += x (u8) * w (s8), 4 values of k per 32-bit lane.
inline void dot4(__m256i& acc, __m256i x, __m256i w) {
  asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(w));
}

template <int kRows>
inline __attribute__((always_inline)) void product(const uint8_t* x, int64_t x_stride, const int8_t* w,
                                                   int64_t depth, __m256i (&sum)[kRows][2]) {
  __m256i acc[kRows][2];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    asm volatile("vpxor %0, %0, %0" : "=x"(acc[r][0]));
    asm volatile("vpxor %0, %0, %0" : "=x"(acc[r][1]));
  }
  const uint8_t *const end = x + depth, *middle = x + 3 * x_stride;  // two pointers reach six rows
  for (; x != end; x += 4, middle += 4, w += 64) {
    const __m256i w0 = load(w), w1 = load(w + 32);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const uint8_t* row = r < 3 ? x + r * x_stride : middle + (r - 3) * x_stride;
      __m256i v;
      asm volatile("vpbroadcastd %1, %0" : "=x"(v) : "m"(*reinterpret_cast<const uint8_t(*)[4]>(row)));
      dot4(acc[r][0], v, w0);
      dot4(acc[r][1], v, w1);
    }
#pragma GCC unroll 6
    for (int r = kRows - 1; r >= 0; --r) asm volatile("" : "+x"(acc[r][0]), "+x"(acc[r][1]));
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = acc[r][0];
    sum[r][1] = acc[r][1];
  }
}

// Calls tile(row, std::integral_constant<int, rows>()) for rows [begin, end), six at a time, then
// what is left.
template <class Tile>
inline void for_each_tile(int64_t begin, int64_t end, Tile tile) {
  int64_t r = begin;
  for (; r + kTileRowsAvxVnni <= end; r += kTileRowsAvxVnni)
    tile(r, std::integral_constant<int, kTileRowsAvxVnni>());
  for (; r + 3 <= end; r += 3) tile(r, std::integral_constant<int, 3>());
  if (r + 2 == end) tile(r, std::integral_constant<int, 2>());
  if (r + 1 == end) tile(r, std::integral_constant<int, 1>());
}

}  // namespace
}  // namespace vqt::cpu
