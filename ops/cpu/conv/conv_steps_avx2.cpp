#include "cpu/layout/activation.h"
#include "cpu/simd/vec_avx2.h"

namespace vqt::cpu {
namespace {

// 16 codes of float values.
inline __m128i codes_of(const float* v, Vec factor) {
  const __m256i a = _mm256_cvtps_epi32((Vec::load(v) * factor).v);
  const __m256i b = _mm256_cvtps_epi32((Vec::load(v + 8) * factor).v);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  return _mm_xor_si128(bytes, _mm_set1_epi8(-128));
}

// Rows are stored as they come: their tiles have one row.
class Codes {
 public:
  Codes(uint8_t* /*work*/, int64_t channels) : channels_(channels) {}

  // values: whole blocks of 16. Of the last one as many codes are stored as the row has room for.
  void take(const float* values, float factor, const QuantizedRows& to, int64_t row, int64_t i,
            int64_t /*p*/) const {
    const Vec f = Vec::all(factor);
    uint8_t* q = to.q + (row + i) * to.k_pad;
    int64_t c = 0;
    for (; c + 16 <= to.k_pad; c += 16) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + c), codes_of(values + c, f));
    }
    if (c < channels_) _mm_storel_epi64(reinterpret_cast<__m128i*>(q + c), codes_of(values + c, f));
  }
  void store(const QuantizedRows* /*rows*/, int64_t /*row*/, int64_t /*count*/) const {}

 private:
  int64_t channels_;
};

}  // namespace
}  // namespace vqt::cpu
//
#include "cpu/conv/conv_steps_vec.h"

namespace vqt::cpu {

const ConvSteps& conv_steps_avx2() { return kSteps; }

}  // namespace vqt::cpu
