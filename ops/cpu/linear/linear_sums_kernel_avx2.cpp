#include "cpu/gemm/epilogue_avx2.h"
#include "cpu/linear/linear_sums_kernel.h"

namespace vqt::cpu {
namespace {

__m256i load(const int32_t* p, const Lanes& l) { return _mm256_maskload_epi32(p, l.mask); }

}  // namespace

void finish_sums_avx2(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows,
                      Range columns) {
  for (int64_t c = columns.begin / 8 * 8; c < columns.end; c += 8) {
    const Lanes lanes = lanes_in(columns, c);
    const __m256i w_sum = load(a.w_sum + c, lanes);
    const __m256i w_zero = a.w_zero == nullptr ? _mm256_setzero_si256() : load(a.w_zero + c, lanes);
    const __m256 w_scale = load(a.w_scale + c, lanes);
    const int32_t* from = sums + c - columns.begin;
    for (int64_t r = rows.begin; r < rows.end; ++r, from += stride) {
      const __m256i factor = _mm256_set1_epi32(128 - a.x.zero[r]);
      __m256i dot = _mm256_add_epi32(load(from, lanes), _mm256_mullo_epi32(factor, w_sum));
      if (a.w_zero != nullptr) {
        // unsigned: int32 arithmetic that may wrap on the way
        const uint32_t x_part = uint32_t(a.x.sum[r]) - uint32_t(a.k) * uint32_t(a.x.zero[r]);
        dot = _mm256_sub_epi32(dot, _mm256_mullo_epi32(w_zero, _mm256_set1_epi32(int32_t(x_part))));
      }
      const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), w_scale);
      __m256 scaled[1] = {_mm256_mul_ps(v, _mm256_set1_ps(a.x.scale[r]))};
      finish(a.out, r, c, columns, scaled);
    }
  }
}

}  // namespace vqt::cpu
