// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/layout/activation.h"
#include "cpu/simd/vec_avx512.h"

namespace vqt::cpu {
namespace {

// A tile's codes wait until there are those of kTilesAtOnce tiles: in memory 4 values of k of all rows lie side by
// side.
class Codes {
 public:
  Codes(uint8_t* work, int64_t channels)
      : work_(work), pitch_((channels + 63) / 64 * 64), channels_(channels) {}

  // 64 at a time: 32 bits j of lane i (of 128 bits) are the 4 codes from 16 j + 4 i on.
  void take(const float* values, float factor, const QuantizedRows& out, int64_t row, int64_t i,
            int64_t p) const {
    const __m512 f = _mm512_set1_ps(factor);
    const auto rounded = [&](int64_t c) __attribute__((always_inline)) {
      return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(values + c), f));
    };
    if (out.tile == 1) {  // rows of whole vectors, stored as they come
      uint8_t* const q = out.q + (row + i) * out.k_pad;
      const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
      for (int64_t c = 0; c < channels_; c += 64) {
        const __m512i codes = bytes(rounded(c), rounded(c + 16), rounded(c + 32), rounded(c + 48));
        _mm512_storeu_si512(q + c, _mm512_permutexvar_epi32(in_order, codes));
      }
      return;
    }
    uint8_t* to = work_ + (p * 4 + i) * pitch_;
    const auto put = [&](int64_t c, __m512i v0, __m512i v1, __m512i v2, __m512i v3)
        __attribute__((always_inline)) {
      _mm512_store_si512(to + c, bytes(v0, v1, v2, v3));
    };
    int64_t c = 0;
    for (; c + 64 <= channels_; c += 64)
      put(c, rounded(c), rounded(c + 16), rounded(c + 32), rounded(c + 48));
    if (c == channels_) return;
    const auto left = [&](int64_t at) __attribute__((always_inline)) {
      return at < channels_ ? rounded(at) : _mm512_setzero_si512();
    };
    put(c, rounded(c), left(c + 16), left(c + 32), left(c + 48));
  }

  void store(const QuantizedRows* rows, int64_t row, int64_t count) const {
    if (rows[0].tile == 1) return;
    const int64_t height = rows[0].height(rows[0].first(row)), pad = rows[0].k_pad;
    const int64_t whole = count == 4 ? channels_ / 64 * 64 : 0;
    for (int64_t p = 0; p < 16; ++p) {
      uint8_t* const q = rows[p].q + rows[p].offset(row, 0);
      const uint8_t* const codes = work_ + p * 4 * pitch_;
      for (int64_t c = 0; c < whole; c += 64) store_whole(codes + c, pitch_, q + c * height, 4 * height);
      for (int64_t c = whole; c < channels_; c += 64) {
        alignas(64) uint8_t four[16 * 16];
        store_whole(codes + c, pitch_, four, 16);
        for (int64_t i = 0; i < 16 && c + 4 * i < pad; ++i) {
          const auto wanted = static_cast<__mmask8>((1 << count) - 1);
          _mm_mask_storeu_epi32(q + (c + 4 * i) * height, wanted, _mm_load_si128((const __m128i*)four + i));
        }
      }
    }
  }

 private:
  static __m512i bytes(__m512i v0, __m512i v1, __m512i v2, __m512i v3) {
    const __m512i packed = _mm512_packs_epi16(_mm512_packs_epi32(v0, v1), _mm512_packs_epi32(v2, v3));
    return _mm512_xor_si512(packed, _mm512_set1_epi8(-128));
  }

  // 64 codes of four tiles: 4 values of k of all four side by side, the next 4 `step` bytes further.
  static void store_whole(const uint8_t* codes, int64_t pitch, uint8_t* to, int64_t step) {
    const __m512i v0 = _mm512_loadu_si512(codes), v1 = _mm512_loadu_si512(codes + pitch);
    const __m512i v2 = _mm512_loadu_si512(codes + 2 * pitch), v3 = _mm512_loadu_si512(codes + 3 * pitch);
    const __m512i a = _mm512_unpacklo_epi32(v0, v1), b = _mm512_unpackhi_epi32(v0, v1);
    const __m512i d = _mm512_unpacklo_epi32(v2, v3), e = _mm512_unpackhi_epi32(v2, v3);
    const __m512i t[4] = {_mm512_unpacklo_epi64(a, d), _mm512_unpackhi_epi64(a, d),
                          _mm512_unpacklo_epi64(b, e), _mm512_unpackhi_epi64(b, e)};
    const auto put = [ to, step ](int64_t i, __m128i four) __attribute__((always_inline)) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * step), four);
    };
#pragma GCC unroll 4
    for (int64_t j = 0; j < 4; ++j) {  // without a mask a part is stored as it is extracted
      put(4 * j, _mm512_castsi512_si128(t[j]));
      put(4 * j + 1, _mm512_extracti32x4_epi32(t[j], 1));
      put(4 * j + 2, _mm512_extracti32x4_epi32(t[j], 2));
      put(4 * j + 3, _mm512_extracti32x4_epi32(t[j], 3));
    }
  }

  uint8_t* work_;  // [position][kTilesAtOnce][pitch]
  int64_t pitch_, channels_;
};

}  // namespace
}  // namespace vqt::cpu
//
#include "cpu/conv/conv_steps_vec.h"

namespace vqt::cpu {

const ConvSteps& conv_steps_avx512vnni() { return kSteps; }

}  // namespace vqt::cpu
