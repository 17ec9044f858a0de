// 16 float32 values in a register: vec_avx2.h at twice the width. For files named *_avx512vnni.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace vqt::cpu {
namespace {

struct Vec {
  static constexpr int64_t kWidth = 16;
  __m512 v;

  static Vec all(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // The first n lanes (0..16); the others are 0 and their memory is not touched.
  static Vec load_first(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static Vec load_bf16(const uint16_t* p) { return from_bf16(_mm256_loadu_si256((const __m256i*)p)); }
  static Vec load_first_bf16(const uint16_t* p, int64_t n) {
    return from_bf16(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_first(float* p, int64_t n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
  // To the nearest, ties to even; NaN is 0x7fc0.
  void store_bf16(uint16_t* p) const { _mm256_storeu_si256((__m256i*)p, to_bf16()); }
  void store_first_bf16(uint16_t* p, int64_t n) const { _mm256_mask_storeu_epi16(p, mask(n), to_bf16()); }
  Vec first(int64_t n) const { return {_mm512_maskz_mov_ps(mask(n), v)}; }

  // Lane j takes lane j + 8, then j + 4, then j + 2, then j + 1.
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
  static Vec largest_of_each(const Vec (&v)[16]) {
    __m512i a[8], b[4], c[2];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const __m512i x = _mm512_castps_si512(v[2 * i].v), y = _mm512_castps_si512(v[2 * i + 1].v);
      a[i] = _mm512_max_epi32(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      b[i] = _mm512_max_epi32(_mm512_unpacklo_epi64(a[2 * i], a[2 * i + 1]),
                              _mm512_unpackhi_epi64(a[2 * i], a[2 * i + 1]));
    }
    const auto halves = [](__m512i x, __m512i y) {
      return _mm512_max_epi32(_mm512_shuffle_i32x4(x, y, 0x88), _mm512_shuffle_i32x4(x, y, 0xdd));
    };
    c[0] = halves(b[0], b[1]), c[1] = halves(b[2], b[3]);
    return {_mm512_castsi512_ps(halves(c[0], c[1]))};
  }
  // The larger of most, which is not negative, and |v|; NaN is larger than all numbers.
  friend Vec largest_magnitude(Vec most, Vec v) {
    const __m512i bits = _mm512_and_si512(_mm512_castps_si512(v.v), _mm512_set1_epi32(0x7fffffff));
    return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(most.v), bits))};
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  friend __mmask16 operator<(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
  friend Vec choose(__mmask16 first, Vec a, Vec b) { return {_mm512_mask_mov_ps(b.v, first, a.v)}; }
  friend Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }  // b where one is NaN
  friend Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }

 private:
  __m128 sums_of_4() const {
    // maskz: what g++ 12 has for the plain forms warns of a variable of its own.
    const __m256 half =
        _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  static Vec from_bf16(__m256i half) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
  }
  __m256i to_bf16() const {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i half = _mm512_mask_mov_epi32(
        _mm512_srli_epi32(rounded, 16), _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc0));
    return _mm512_maskz_cvtepi32_epi16(0xffff, half);
  }
  static __mmask16 mask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

}  // namespace
}  // namespace vqt::cpu
