// The epilogue (epilogue.h) of some columns of a row on AVX2. u8 results are row-major (tiles of one row).
// For files named *_avx2.cpp and *_avxvnni.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/gemm/epilogue.h"
#include "cpu/range.h"
#include "cpu/simd/gelu.h"
#include "cpu/simd/vec_avx2.h"

namespace vqt::cpu {
namespace {

// Which of 8 columns are part of the result: [begin, end).
struct Lanes {
  int begin = 0, end = 8;
  __m256i mask = _mm256_set1_epi32(-1);

  bool none() const { return begin >= end; }
};

inline Lanes lanes_in(Range columns, int64_t column) {
  Lanes l;
  l.begin = static_cast<int>(columns.begin > column ? columns.begin - column : 0);
  l.end = static_cast<int>(columns.end - column < 8 ? columns.end - column : 8);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  l.mask = _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(l.begin), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(l.end), lane));
  return l;
}

inline __m256 load(const float* p, const Lanes& l) { return _mm256_maskload_ps(p, l.mask); }

inline void store_u8(const Epilogue& e, int64_t row, int64_t c, const Lanes& l, __m256 v) {
  const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
  const __m256 finite = _mm256_cmp_ps(magnitude, _mm256_set1_ps(__builtin_inff()), _CMP_LT_OQ);
  if (!_mm256_testc_si256(_mm256_castps_si256(finite), l.mask)) {
    float nan = __builtin_nanf("");
    __atomic_store(e.q.scale + row, &nan, __ATOMIC_RELAXED);
  }
  const float low = e.y_symmetric ? -127.0f : 0.0f, high = e.y_symmetric ? 127.0f : 255.0f;
  v = _mm256_div_ps(v, _mm256_set1_ps(e.y_scale));
  if (!e.y_symmetric) v = _mm256_add_ps(v, _mm256_set1_ps(static_cast<float>(e.y_zero)));
  v = _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(low)), _mm256_set1_ps(high));
  __m256i q = _mm256_cvtps_epi32(v);
  if (e.y_symmetric) q = _mm256_add_epi32(q, _mm256_set1_epi32(128));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  const __m128i bytes = _mm_packus_epi16(words, words);
  uint8_t* to = e.q.q + row * e.q.k_pad + c;
  if (l.begin == 0 && l.end == 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
    return;
  }
  uint8_t part[8];
  std::memcpy(part, &bytes, 8);
  for (int i = l.begin; i < l.end; ++i) to[i] = part[i];
}

// kVectors times 8 columns: all of them, or those in `columns`.
template <bool kAll, int kVectors>
inline void finish_columns(const Epilogue& e, int64_t row, int64_t column, Range columns,
                           __m256 (&v)[kVectors]) {
  const int64_t c = column - e.first_column;
  Lanes lanes[kVectors];
  if (!kAll) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) lanes[i] = lanes_in(columns, column + 8 * i);
  }
  const auto at = [&](const float* p, int i) {
    return kAll ? _mm256_loadu_ps(p + 8 * i) : load(p + 8 * i, lanes[i]);
  };
  const auto each = [&](auto step) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) v[i] = step(v[i], i);
  };
  if (e.bias != nullptr) each([&](__m256 a, int i) { return _mm256_add_ps(a, at(e.bias + c, i)); });
  if (e.post_op == PostOp::kGelu) each([](__m256 a, int) { return gelu(Vec{a}).v; });
  if (e.post_op == PostOp::kRelu) each([](__m256 a, int) { return _mm256_max_ps(_mm256_setzero_ps(), a); });
  if (e.gamma != nullptr) each([&](__m256 a, int i) { return _mm256_mul_ps(a, at(e.gamma + c, i)); });
  if (e.residual != nullptr) {
    const float* residual = e.residual + row * e.residual_stride + c;
    each([&](__m256 a, int i) { return _mm256_add_ps(a, at(residual, i)); });
  }
  float* y = e.y == nullptr ? nullptr : e.y + row * e.y_stride + c;
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    if (y == nullptr) {
      store_u8(e, row, c + 8 * i, lanes[i], v[i]);
    } else if (kAll) {
      _mm256_storeu_ps(y + 8 * i, v[i]);
    } else {
      _mm256_maskstore_ps(y + 8 * i, lanes[i].mask, v[i]);
    }
  }
}

// v: the scaled products of a row of x and the columns of W from `column` on, of which those in
// `columns` are wanted.
template <int kVectors>
inline void finish(const Epilogue& e, int64_t row, int64_t column, Range columns, __m256 (&v)[kVectors]) {
  if (columns.begin <= column && column + 8 * kVectors <= columns.end) {
    finish_columns<true>(e, row, column, columns, v);
  } else {
    finish_columns<false>(e, row, column, columns, v);
  }
}

}  // namespace
}  // namespace vqt::cpu
