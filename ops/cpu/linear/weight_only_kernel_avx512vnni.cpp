#include "cpu/simd/vec_avx512.h"
//
#include <cstring>

#include "cpu/linear/linear_block.h"
#include "cpu/range.h"

namespace vqt::cpu {
namespace {

// maskz: what g++ 12 has for the plain forms warns of a variable of its own.
constexpr __mmask16 kAll = 0xffff;

struct Ints {
  __m512i v;

  static Ints load(const void* p) { return {_mm512_loadu_si512(p)}; }
  static Vec from_bytes(const uint8_t* p) {
    return {_mm512_maskz_cvtepi32_ps(
        kAll, _mm512_maskz_cvtepu8_epi32(kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  static Vec from_int16(const int16_t* p) {
    return {_mm512_maskz_cvtepi32_ps(
        kAll, _mm512_maskz_cvtepi16_epi32(kAll, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))))};
  }
  Vec value() const { return {_mm512_maskz_cvtepi32_ps(kAll, v)}; }
  Vec byte(int j) const {  // signed
    const __m512i top = j == 3 ? v : _mm512_maskz_slli_epi32(kAll, v, 24 - 8 * j);
    return {_mm512_maskz_cvtepi32_ps(kAll, _mm512_maskz_srai_epi32(kAll, top, 24))};
  }
  Vec scaled_byte(int j) const {  // signed, times 2^24
    __m512i top;
    if (j == 0) {
      top = _mm512_maskz_slli_epi32(kAll, v, 24);
    } else if (j == 3) {
      top = _mm512_and_si512(v, _mm512_set1_epi32(255 << 24));
    } else {  // 0x80: a zero byte
      const __m128i order =
          _mm_add_epi32(_mm_set1_epi32(0x00808080 | j << 24), _mm_setr_epi32(0, 4 << 24, 8 << 24, 12 << 24));
      top = _mm512_shuffle_epi8(v, _mm512_maskz_broadcast_i32x4(kAll, order));
    }
    return {_mm512_maskz_cvtepi32_ps(kAll, top)};
  }
  Vec nibble(int k) const {
    const __m512i shifted = _mm512_maskz_srli_epi32(kAll, v, 8 * (k % 4) + 4 * (k / 4));
    return {_mm512_maskz_cvtepi32_ps(kAll, _mm512_and_si512(shifted, _mm512_set1_epi32(15)))};
  }
  Vec scaled_nibble(int k) const {  // at its place in its half of the lane
    const __m512i half = k % 4 >= 2 ? _mm512_maskz_srli_epi32(kAll, v, 16) : v;
    return {_mm512_maskz_cvtepi32_ps(
        kAll, _mm512_and_si512(half, _mm512_set1_epi32(15 << (8 * (k % 2) + 4 * (k / 4)))))};
  }
};

// 14 x 2 sums, 2 weights, 1 value of x: 31 of 32 registers. 224 rows of 256 values are 224 KB of L2; two
// panels' 256 values are 32 KB, read in order.
constexpr int64_t kFloatTileRows = 14, kFloatTileVecs = 2, kFloatDepth = kWeightOnlyDepthAvx512;
constexpr LinearKernel kSmallM = LinearKernel::kWeightOnlySmallMAvx512Vnni,
                       kLargeM = LinearKernel::kWeightOnlyLargeMAvx512Vnni;

}  // namespace
}  // namespace vqt::cpu

#include "cpu/linear/weight_only_small_m_vec.h"

namespace vqt::cpu {

void weight_only_small_m_avx512vnni(const WeightOnlyJob& a, Range rows, Range columns) {
  small_m(a, rows, columns);
}

void weight_only_large_m_avx512vnni(const WeightOnlyJob& a, Range rows, Range columns) {
  large_m(a, rows, columns);
}

}  // namespace vqt::cpu
