// 8 float32 values in a register, for what is written once for all widths (row_norm_vec.h, rotary_vec.h).
// For files named *_avx2.cpp only: internal linkage, so that no other file's copy ends up with AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace vqt::cpu {
namespace {

struct Vec {
  static constexpr int64_t kWidth = 8;
  __m256 v;

  static Vec all(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The first n lanes (0..8); the others are 0 and their memory is not touched.
  static Vec load_first(const float* p, int64_t n) { return {_mm256_maskload_ps(p, mask(n))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_first(float* p, int64_t n) const { _mm256_maskstore_ps(p, mask(n), v); }
  Vec first(int64_t n) const { return {_mm256_and_ps(v, _mm256_castsi256_ps(mask(n)))}; }

  // Lane j takes lane j + 4, then j + 2, then j + 1.
  float sum() const {
    const __m128 h = sums_of_4();
    const __m128 two = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  // The sum() of four vectors.
  static void sums(const Vec (&v)[4], float (&sum)[4]) {
    const __m128 a = v[0].sums_of_4(), b = v[1].sums_of_4(), c = v[2].sums_of_4(), d = v[3].sums_of_4();
    const __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));  // a02 a13 b02 b13
    const __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    _mm_storeu_ps(sum, _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd)));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }  // b where one is NaN
  friend Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

 private:
  __m128 sums_of_4() const { return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); }
  static __m256i mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace vqt::cpu
