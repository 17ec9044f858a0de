// Means, scales, codes and the softmax with 256-bit vectors. For files named *_avx2.cpp and *_avxvnni.cpp only.
#pragma once

#include <immintrin.h>

#include "cpu/attention/attention_definition.h"

namespace vqt::cpu {
namespace {

// 8 values of a row from j on; behind d they are 0 and their memory is not touched.
inline __m256 read_row(const float* row, int64_t j, int64_t d) {
  if (j + 8 <= d) return _mm256_loadu_ps(row + j);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(d - j)), lanes);
  return _mm256_maskload_ps(row + j, there);
}

// |x| as an integer: of these a NaN is the largest.
inline __m256i magnitude(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

inline int32_t largest_lane(__m256i v) {
  const __m128i a = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i b = _mm_max_epi32(a, _mm_shuffle_epi32(a, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}

// What 127 stands for, of magnitudes.
inline __m256 scale_of(__m256i largest) {
  const __m256 scale = _mm256_div_ps(_mm256_castsi256_ps(largest), _mm256_set1_ps(127.0f));
  return _mm256_max_ps(_mm256_set1_ps(kLeastScale), scale);  // the second one where it is NaN
}
inline __m256 inverse_of(__m256 scale) { return _mm256_div_ps(_mm256_set1_ps(1.0f), scale); }

// The larger of two that are not negative; NaN where one is.
inline __m256 larger(__m256 a, __m256 b) {
  return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}

inline __m256i code_of(__m256 x, __m256 inverse) { return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)); }

// mean[columns], columns: d rounded up to 16, at most 128.
inline void mean_over_tokens(RowsOfHead x, int64_t tokens, int64_t d, int64_t columns, float* mean) {
  constexpr int kVectors = 8;  // at once: enough sums to hide an addition's latency
  const __m256 share = _mm256_set1_ps(1.0f / static_cast<float>(tokens));
  for (int64_t j = 0; j < columns; j += 8) _mm256_store_ps(mean + j, _mm256_setzero_ps());
  for (int64_t b = 0; b < tokens; b += kKeyBlock) {
    const int64_t end = b + kKeyBlock < tokens ? b + kKeyBlock : tokens;
    int64_t j = 0;
    for (; j + 8 * kVectors <= d; j += 8 * kVectors) {
      __m256 sum[kVectors];
      for (__m256& s : sum) s = _mm256_setzero_ps();
      for (int64_t i = b; i < end; ++i) {
#pragma GCC unroll 8
        for (int e = 0; e < kVectors; ++e)
          sum[e] = _mm256_fmadd_ps(_mm256_loadu_ps(x[i] + j + 8 * e), share, sum[e]);
      }
      for (int e = 0; e < kVectors; ++e)
        _mm256_store_ps(mean + j + 8 * e, _mm256_add_ps(_mm256_load_ps(mean + j + 8 * e), sum[e]));
    }
    for (; j < columns; j += 16) {
      __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
      for (int64_t i = b; i < end; ++i) {
        for (int e = 0; e < 2; ++e) sum[e] = _mm256_fmadd_ps(read_row(x[i], j + 8 * e, d), share, sum[e]);
      }
      for (int e = 0; e < 2; ++e)
        _mm256_store_ps(mean + j + 8 * e, _mm256_add_ps(_mm256_load_ps(mean + j + 8 * e), sum[e]));
    }
  }
}

// A row's scale. mean: to be subtracted, or null.
inline float scale_of_row(const float* row, const float* mean, int64_t d) {
  __m256i largest = _mm256_setzero_si256();
  for (int64_t j = 0; j < d; j += 8) {
    const __m256 x = read_row(row, j, d);
    largest = _mm256_max_epi32(largest,
                               magnitude(mean == nullptr ? x : _mm256_sub_ps(x, _mm256_load_ps(mean + j))));
  }
  return _mm256_cvtss_f32(scale_of(_mm256_set1_epi32(largest_lane(largest))));
}

// 16 codes of a row from j on, as s16. A code that is not finite: any.
inline __m256i codes_of_row(const float* row, const float* mean, int64_t j, int64_t d, __m256 inverse) {
  __m256 a = read_row(row, j, d), b = read_row(row, j + 8, d);
  if (mean != nullptr) {
    a = _mm256_sub_ps(a, _mm256_load_ps(mean + j));
    b = _mm256_sub_ps(b, _mm256_load_ps(mean + j + 8));
  }
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(code_of(a, inverse), code_of(b, inverse)), 0xd8);
}

// The scales of the columns of v in a block of keys, 8 from column j on.
inline __m256 scale_of_columns(RowsOfHead v, Range tokens, const float* mean, int64_t j, int64_t d) {
  __m256i largest = _mm256_setzero_si256();
  for (int64_t i = tokens.begin; i < tokens.end; ++i) {
    largest =
        _mm256_max_epi32(largest, magnitude(_mm256_sub_ps(read_row(v[i], j, d), _mm256_load_ps(mean + j))));
  }
  return scale_of(largest);
}

// What a row's exponents need.
struct Exponent {
  float c = 0.0f;
  int bits = 0, mult = 0;

  Exponent() = default;
  Exponent(float scale, float step) : c(scale * step) {  // step: smax * fold
    uint32_t word;
    __builtin_memcpy(&word, &c, sizeof word);
    const int e = static_cast<int>(word >> 23) - 126;  // 2^(e - 1) <= c < 2^e
    bits = -e < 0 ? 0 : -e > 15 ? 15 : -e;
    const uint32_t power = static_cast<uint32_t>(127 + 16 + bits) << 23;
    float factor;
    __builtin_memcpy(&factor, &power, sizeof factor);
    const __m128 scaled =
        _mm_min_ss(_mm_set_ss(c * factor), _mm_set_ss(65535.0f));  // the second one where c is NaN
    mult = _mm_cvtss_si32(scaled);
  }
};

// Of up to 8 rows, kept between blocks.
struct RowState {
  alignas(32) float m[8], l[8], c[8];
};

// What a tile of up to 8 rows needs in one block. Code: uint8_t, or int16_t without vpdpbusd.
template <int kRows, class Code>
struct Tile {
  alignas(32) int16_t score[kRows][kKeyBlock];
  alignas(32) Code code[kRows][kKeyBlock];
  alignas(32) int32_t top[8];
  alignas(32) int32_t sum[8];
  alignas(32) float alpha[8], beta[8];
};

inline __m256i all16(int value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }

inline __m256 exp2_of(__m256 x) {
  x = _mm256_max_ps(x, _mm256_set1_ps(-126.0f));  // the second one where x is NaN
  const __m256 z = _mm256_add_ps(x, _mm256_set1_ps(kRoundToInt));
  const __m256 f = _mm256_sub_ps(x, _mm256_sub_ps(z, _mm256_set1_ps(kRoundToInt)));
  __m256 p = _mm256_set1_ps(kExp2[5]);
#pragma GCC unroll 5
  for (int i = 4; i >= 0; --i) p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(kExp2[i]));
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(z), 23)));
}

// A row's scores: the largest.
inline int32_t find_top(const int16_t* score, int size) {
  const __m128i flip =
      _mm_set1_epi16(0x7fff);  // largest s16 <-> least u16, of which there is a minimum across
  const auto load = [&](int i) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(score + i)); };
  __m256i most = load(0);
  for (int i = 16; i < size; i += 16) most = _mm256_max_epi16(most, load(i));
  const __m128i half = _mm_max_epi16(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
  return static_cast<int16_t>(
      _mm_cvtsi128_si32(_mm_xor_si128(_mm_minpos_epu16(_mm_xor_si128(half, flip)), flip)));
}

inline void store_codes(uint8_t* to, __m256i a, __m256i b) {  // interleaves 128-bit lanes
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_packus_epi16(a, b));
}
inline void store_codes(int16_t* to, __m256i a, __m256i b) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), a);
  _mm256_store_si256(reinterpret_cast<__m256i*>(to + 16), b);
}

// A row's scores become codes. Returns the sum of the weights. there: 1 or 0 for each score; null: all are.
template <class Code>
inline int32_t find_codes(const int16_t* score, int size, int32_t top, const Exponent& exponent,
                          const int16_t* there, Code* code) {
  const __m256i most = all16(top), mult = all16(exponent.mult);
  const __m128i bits = _mm_cvtsi32_si128(exponent.bits), rest = _mm_cvtsi32_si128(16 - exponent.bits);
  // 2^(7 - w) at byte w, 2^(15 - w) at byte w + 8: there is no shift of 16-bit lanes by lanes.
  const __m256i powers =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  __m256i sum = _mm256_setzero_si256();
  const auto next = [&](int i) __attribute__((always_inline)) {  // 16 keys
    const __m256i s = _mm256_load_si256(reinterpret_cast<const __m256i*>(score + i));
    const __m256i y = _mm256_mulhi_epu16(_mm256_sub_epi16(most, s), mult);
    const __m256i f = _mm256_sll_epi16(y, rest), w = _mm256_min_epu16(_mm256_srl_epi16(y, bits), all16(15));
    __m256i p = _mm256_sub_epi16(all16(kPower[1]), _mm256_mulhi_epu16(f, all16(kPower[2])));
    p = _mm256_sub_epi16(all16(kPower[0]), _mm256_mulhi_epu16(f, p));
    // p >> w = (2 p * 2^(15 - w)) >> 16. p < 2^15: 0 for w = 15 and beyond.
    const __m256i index = _mm256_xor_si256(_mm256_or_si256(w, _mm256_slli_epi16(w, 8)), all16(8));
    p = _mm256_mulhi_epu16(_mm256_add_epi16(p, p), _mm256_shuffle_epi8(powers, index));
    const __m256i one =
        there == nullptr ? all16(1) : _mm256_load_si256(reinterpret_cast<const __m256i*>(there + i));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, one));
    return _mm256_mulhrs_epi16(p, all16(256));  // (p + 64) >> 7
  };
  for (int i = 0; i < size; i += 32) {
    const __m256i a = next(i), b = next(i + 16);
    store_codes(code + i, a, b);
  }
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// Scores of a tile become codes, and the rows' state takes in the block. size: keys, a multiple of 32; there: null
// where all of them are. Not inlined: its constants would take the products' registers.
template <int kRows, class Code>
__attribute__((noinline)) void softmax(Tile<kRows, Code>& tile, RowState& state, const Exponent* exponents,
                                       int size, const int16_t* there) {
  for (int r = 0; r < kRows; ++r) tile.top[r] = find_top(tile.score[r], size);
  for (int r = 0; r < kRows; ++r) {
    tile.sum[r] = there == nullptr
                      ? find_codes(tile.score[r], size, tile.top[r], exponents[r], nullptr, tile.code[r])
                      : find_codes(tile.score[r], size, tile.top[r], exponents[r], there, tile.code[r]);
  }
  const auto floats = [](const int32_t* p) {
    return _mm256_cvtepi32_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  };
  const __m256 t = _mm256_mul_ps(floats(tile.top), _mm256_load_ps(state.c)), m = _mm256_load_ps(state.m),
               most = _mm256_max_ps(t, m);
  const __m256 e = exp2_of(_mm256_sub_ps(_mm256_min_ps(t, m), most)), one = _mm256_set1_ps(1.0f);
  const __m256 grows = _mm256_cmp_ps(t, m, _CMP_GT_OQ);
  const __m256 alpha = _mm256_blendv_ps(one, e, grows), beta = _mm256_blendv_ps(e, one, grows);
  _mm256_store_ps(state.m, most);
  _mm256_store_ps(state.l,
                  _mm256_fmadd_ps(floats(tile.sum), beta, _mm256_mul_ps(_mm256_load_ps(state.l), alpha)));
  _mm256_store_ps(tile.alpha, alpha);
  _mm256_store_ps(tile.beta, beta);
}

// 8 columns of the result from j on; share: 128 / l, or NaN.
inline void finish_columns(const float* acc, __m256 share, const float* v_scale, const float* v_mean,
                           float* out, int64_t j, int64_t d) {
  const __m256 y = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_loadu_ps(acc + j), share),
                                   _mm256_load_ps(v_scale + j), _mm256_load_ps(v_mean + j));
  if (j + 8 <= d) return _mm256_storeu_ps(out + j, y);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(out + j, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(d - j)), lanes), y);
}

}  // namespace
}  // namespace vqt::cpu
