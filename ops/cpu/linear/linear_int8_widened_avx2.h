// What both int8 kernels of AVX2 share: operands widened to s16, sums scaled. There is no u8 x s8
// product without saturation here, so both sides are widened and multiplied by vpmaddwd. x enters as x -
// x_zero, so that only the weights' zero is left to correct. For files named linear_int8_*_avx2.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/gemm/epilogue_avx2.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {
namespace {

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// The 4 bytes of each 32-bit lane as two s16 pairs: {0, 2} and {1, 3}. x and w share the order, so sums
// do not change.
struct Wide {
  __m256i even, odd;
};
inline Wide widen_signed(__m256i v) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srai_epi16(v, 8)};
}
inline Wide widen_unsigned(__m256i v) {
  return {_mm256_and_si256(v, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(v, 8)};
}
inline Wide operator+(Wide a, Wide b) {
  return {_mm256_add_epi16(a.even, b.even), _mm256_add_epi16(a.odd, b.odd)};
}
inline Wide operator-(Wide a, Wide b) {
  return {_mm256_sub_epi16(a.even, b.even), _mm256_sub_epi16(a.odd, b.odd)};
}

// What a row's sums have to lose for a weight whose zero is 1: the sum of x - x_zero.
inline __m256i row_rest(const LinearInt8Job& a, int64_t r) {
  const uint32_t zeros = static_cast<uint32_t>(a.k) * static_cast<uint32_t>(a.x.zero[r]);
  return _mm256_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(a.x.sum[r]) - zeros));
}

// Sums of (x - x_zero) * w of 8 columns, scaled.
inline __m256 scaled(const LinearInt8Job& a, int64_t r, int64_t column, __m256i sum) {
  if (a.w_zero) sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(row_rest(a, r), load(a.w_zero + column)));
  const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_loadu_ps(a.w_scale + column));
  return _mm256_mul_ps(v, _mm256_set1_ps(a.x.scale[r]));
}

// One row of one panel; stores those in `columns`.
inline void finish_panel(const LinearInt8Job& a, int64_t r, int64_t column, Range columns, __m256i sum0,
                         __m256i sum1) {
  __m256 v[2] = {scaled(a, r, column, sum0), scaled(a, r, column + 8, sum1)};
  finish(a.out, r, column, columns, v);
}

}  // namespace
}  // namespace vqt::cpu
