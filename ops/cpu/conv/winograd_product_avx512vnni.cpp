// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/conv/winograd_product.h"
#include "cpu/gemm/column_blocks_avx512vnni.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPositions = 16;

template <int kRows, int kPanels>
struct Multiply {
  static void run(const uint8_t* x, const int8_t* w, const LinearInt8Job& job, int64_t column,
                  const float* scale, const Prefetch& prefetch, float* m) {
    const auto store = [&](const auto& acc) __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        // Every zero is 128, or its scale NaN.
        const __m512i from_zero = _mm512_slli_epi32(_mm512_loadu_si512(job.w_sum + column + p * kPanel), 7);
        const __m512 w_scale = _mm512_loadu_ps(job.w_scale + column + p * kPanel);
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          const __m512i dot = _mm512_sub_epi32(acc[r][p], from_zero);
          const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), w_scale);
          _mm512_storeu_ps(m + r * kStripColumns + p * kPanel, _mm512_mul_ps(v, _mm512_set1_ps(scale[r])));
        }
      }
    };
    const int64_t depth = job.w_depth();
    product<kRows, kPanels>(x, w, kPanel * depth, depth, prefetch, store);
  }
};

}  // namespace

void winograd_product_avx512vnni(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                                 int64_t panels, const WinogradPrefetch& prefetch) {
  const int64_t depth = a.job.w_depth();
  const auto multiply = instance<Multiply>(rows, panels);
  ColumnBlock next;
  next.next = prefetch.next_column;
  for (int64_t p = 0, pixel = 0; p < kPositions; ++p) {
    for (; pixel < prefetch.count * (p + 1) / kPositions; ++pixel) {
      for (int64_t i = 0; i < prefetch.bytes; i += 64)
        asm volatile("prefetchw %0" : : "m"(prefetch.pixels[pixel][i]));
    }
    const QuantizedRows& x = a.rows[p];
    const int64_t from = p * a.position_columns;
    const PrefetchShares shares =
        next.prefetch(a.job.w + (from + next.next) * depth, panels * kPanel * depth, depth, prefetch.shares);
    multiply(x.q + first * x.k_pad, a.job.w + (from + column) * depth, a.job, from + column, x.scale + first,
             shares.share(prefetch.share), a.m + p * rows * kStripColumns);
  }
}

}  // namespace vqt::cpu
