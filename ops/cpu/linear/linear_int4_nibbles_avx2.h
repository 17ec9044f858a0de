// What both int4 kernels of AVX2 share. nibble - zero is within -15..15 (symmetric -8..7), so vpmaddubsw (u8
// x s8 pairs into s16) cannot saturate, and its s16 results can be added up for 4 lanes of 4 values of k
// (symmetric 8: 8 * 2 * 255 * 8 = 32640) before they are widened to int32: fewer instructions a product than
// int8 takes. For files named linear_int4_*_avx2.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/gemm/epilogue_avx2.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPrefetchBytes = 1024;  // from the weights being read to those being prefetched

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

inline __m256i broadcast4(const uint8_t* x) {
  return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(x)));
}

// One group of one panel: where its nibbles begin, and what they lose, in every byte of a
// column's 32-bit lane.
struct NibbleGroup {
  const uint8_t* nibbles;
  __m256i zero[2];
};
inline NibbleGroup open_group(const LinearInt4Job& a, const uint8_t* group) {
  const uint8_t* zeros = group + kPanel * sizeof(float);
  if (a.symmetric) return {zeros, {_mm256_set1_epi8(8), _mm256_set1_epi8(8)}};
  NibbleGroup g = {zeros + kPanel, {}};
  for (int i = 0; i < 2; ++i) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + 8 * i));
    g.zero[i] = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x01010101));
  }
  return g;
}

// nibble - zero of 8 values of k of 8 columns: values 0 to 3, values 4 to 7.
struct NibblePair {
  __m256i low, high;
};
inline NibblePair unpack_nibbles(const uint8_t* nibbles, __m256i zero) {
  const __m256i v = load(nibbles), mask = _mm256_set1_epi8(15);
  return {_mm256_sub_epi8(_mm256_and_si256(v, mask), zero),
          _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(v, 4), mask), zero)};
}

// Lanes whose products s16 sums have room for.
inline int64_t lanes_at_once(const LinearInt4Job& a) { return a.symmetric ? 8 : 4; }

template <int kRows>
inline void widen(const __m256i (&part)[kRows][2], __m256i (&dot)[kRows][2]) {
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < 2; ++i)
      dot[r][i] = _mm256_add_epi32(dot[r][i], _mm256_madd_epi16(part[r][i], _mm256_set1_epi16(1)));
  }
}

// sum += scale * dot of a group
template <int kRows>
inline void add_group(const uint8_t* group, const __m256i (&dot)[kRows][2], __m256 (&sum)[kRows][2]) {
  const float* scale = reinterpret_cast<const float*>(group);
  for (int i = 0; i < 2; ++i) {
    const __m256 s = _mm256_loadu_ps(scale + 8 * i);
    for (int r = 0; r < kRows; ++r)
      sum[r][i] = _mm256_add_ps(sum[r][i], _mm256_mul_ps(s, _mm256_cvtepi32_ps(dot[r][i])));
  }
}

// Hands the sums of one row and one panel to the epilogue.
inline void finish_panel(const LinearInt4Job& a, int64_t r, int64_t panel_column, Range columns,
                         const __m256 (&sum)[2]) {
  const __m256 x_zero = _mm256_set1_ps(static_cast<float>(a.x.zero[r])),
               x_scale = _mm256_set1_ps(a.x.scale[r]);
  __m256 v[2];
  for (int i = 0; i < 2; ++i) {
    const __m256 from_zero = _mm256_mul_ps(x_zero, _mm256_loadu_ps(a.offset + panel_column + 8 * i));
    v[i] = _mm256_mul_ps(_mm256_sub_ps(sum[i], from_zero), x_scale);
  }
  finish(a.out, r, panel_column, columns, v);
}

}  // namespace
}  // namespace vqt::cpu
