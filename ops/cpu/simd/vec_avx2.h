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
  static Vec load_bf16(const uint16_t* p) { return from_bf16(_mm_loadu_si128((const __m128i*)p)); }
  static Vec load_first_bf16(const uint16_t* p, int64_t n) {
    uint16_t some[8] = {};
    for (int64_t i = 0; i < n; ++i) some[i] = p[i];
    return load_bf16(some);
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_first(float* p, int64_t n) const { _mm256_maskstore_ps(p, mask(n), v); }
  // To the nearest, ties to even; NaN is 0x7fc0.
  void store_bf16(uint16_t* p) const { _mm_storeu_si128((__m128i*)p, to_bf16()); }
  void store_first_bf16(uint16_t* p, int64_t n) const {
    uint16_t all[8];
    store_bf16(all);
    for (int64_t i = 0; i < n; ++i) p[i] = all[i];
  }
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

  // Lane i: the largest of the lanes of v[i], compared as bits, as are the values of largest_magnitude.
  static Vec largest_of_each(const Vec (&v)[8]) {
    __m256i a[4], b[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i x = _mm256_castps_si256(v[2 * i].v), y = _mm256_castps_si256(v[2 * i + 1].v);
      a[i] = _mm256_max_epi32(_mm256_unpacklo_epi32(x, y), _mm256_unpackhi_epi32(x, y));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      b[i] = _mm256_max_epi32(_mm256_unpacklo_epi64(a[2 * i], a[2 * i + 1]),
                              _mm256_unpackhi_epi64(a[2 * i], a[2 * i + 1]));
    }
    return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_permute2x128_si256(b[0], b[1], 0x20),
                                                 _mm256_permute2x128_si256(b[0], b[1], 0x31)))};
  }
  // The larger of most, which is not negative, and |v|; NaN is larger than all numbers.
  friend Vec largest_magnitude(Vec most, Vec v) {
    const __m256i bits = _mm256_and_si256(_mm256_castps_si256(v.v), _mm256_set1_epi32(0x7fffffff));
    return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(most.v), bits))};
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend Vec operator<(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
  friend Vec choose(Vec first, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, first.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }  // b where one is NaN
  friend Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }

 private:
  __m128 sums_of_4() const { return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)); }
  static Vec from_bf16(__m128i half) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16))};
  }
  __m128i to_bf16() const {
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i half = _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fc0), nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
  static __m256i mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace vqt::cpu
