// The epilogue (epilogue.h) of 8 columns of a row on AVX2. u8 results are row-major (tiles of one row).
// For files named *_avx2.cpp and *_avxvnni.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/epilogue.h"
#include "cpu/gelu.h"
#include "cpu/range.h"
#include "cpu/vec_avx2.h"

namespace vqt::cpu {
namespace {

// Which of 8 columns are wanted: [begin, end).
struct Lanes {
  int begin, end;
  __m256i mask;

  bool all() const { return end - begin == 8; }
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

inline __m256 load(const float* p, const Lanes& l) {
  return l.all() ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, l.mask);
}

// Not inlined where it is used: rare, and long.
[[gnu::noinline, maybe_unused]] void store_u8(const Epilogue& e, int64_t row, int64_t c, const Lanes& l,
                                              __m256 v) {
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
  if (l.all()) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
    return;
  }
  uint8_t part[8];
  std::memcpy(part, &bytes, 8);
  for (int i = l.begin; i < l.end; ++i) to[i] = part[i];
}

// v: the scaled products of a row of x and 8 columns of W.
inline void finish(const Epilogue& e, int64_t row, int64_t column, const Lanes& l, __m256 v) {
  const int64_t c = column - e.first_column;
  if (e.bias != nullptr) v = _mm256_add_ps(v, load(e.bias + c, l));
  if (e.post_op == PostOp::kGelu) v = gelu(Vec{v}).v;
  if (e.post_op == PostOp::kRelu) v = _mm256_max_ps(_mm256_setzero_ps(), v);
  if (e.gamma != nullptr) v = _mm256_mul_ps(v, load(e.gamma + c, l));
  if (e.residual != nullptr) v = _mm256_add_ps(v, load(e.residual + row * e.residual_stride + c, l));
  if (e.y == nullptr) return store_u8(e, row, c, l, v);
  float* y = e.y + row * e.y_stride + c;
  l.all() ? _mm256_storeu_ps(y, v) : _mm256_maskstore_ps(y, l.mask, v);
}

}  // namespace
}  // namespace vqt::cpu
