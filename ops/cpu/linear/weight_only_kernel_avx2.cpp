#include "cpu/simd/vec_avx2.h"
//
#include <cstring>

#include "cpu/linear/linear_block.h"
#include "cpu/range.h"

namespace vqt::cpu {
namespace {

struct Ints {
  __m256i v;

  static Ints load(const void* p) { return {_mm256_loadu_si256(static_cast<const __m256i*>(p))}; }
  static Vec from_bytes(const uint8_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
  static Vec from_int16(const int16_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  Vec value() const { return {_mm256_cvtepi32_ps(v)}; }
  Vec byte(int j) const {  // signed
    const __m256i top = j == 3 ? v : _mm256_slli_epi32(v, 24 - 8 * j);
    return {_mm256_cvtepi32_ps(_mm256_srai_epi32(top, 24))};
  }
  Vec scaled_byte(int j) const {  // signed, times 2^24
    if (j == 0) return {_mm256_cvtepi32_ps(_mm256_slli_epi32(v, 24))};
    if (j == 3) return {_mm256_cvtepi32_ps(_mm256_and_si256(v, _mm256_set1_epi32(255 << 24)))};
    const int32_t first = 0x00808080 | j << 24;  // 0x80: a zero byte
    const __m256i order =
        _mm256_add_epi32(_mm256_set1_epi32(first),
                         _mm256_setr_epi32(0, 4 << 24, 8 << 24, 12 << 24, 0, 4 << 24, 8 << 24, 12 << 24));
    return {_mm256_cvtepi32_ps(_mm256_shuffle_epi8(v, order))};
  }
  Vec nibble(int k) const {
    const __m256i shifted = _mm256_srli_epi32(v, 8 * (k % 4) + 4 * (k / 4));
    return {_mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(15)))};
  }
  Vec scaled_nibble(int k) const {  // at its place in its half of the lane
    const __m256i half = k % 4 >= 2 ? _mm256_srli_epi32(v, 16) : v;
    return {_mm256_cvtepi32_ps(_mm256_and_si256(half, _mm256_set1_epi32(15 << (8 * (k % 2) + 4 * (k / 4)))))};
  }
};

// 6 x 2 sums, 2 weights, 1 value of x: 15 of 16 registers. 192 rows of 384 values are 288 KB of L2; a panel's
// 384 values are 24 KB of L1.
constexpr int64_t kFloatTileRows = 6, kFloatTileVecs = 2, kFloatDepth = kWeightOnlyDepthAvx2;
constexpr LinearKernel kSmallM = LinearKernel::kWeightOnlySmallMAvx2,
                       kLargeM = LinearKernel::kWeightOnlyLargeMAvx2;

}  // namespace
}  // namespace vqt::cpu

#include "cpu/linear/weight_only_small_m_vec.h"

namespace vqt::cpu {

void weight_only_small_m_avx2(const WeightOnlyJob& a, Range rows, Range columns) {
  small_m(a, rows, columns);
}

void weight_only_large_m_avx2(const WeightOnlyJob& a, Range rows, Range columns) {
  large_m(a, rows, columns);
}

}  // namespace vqt::cpu
