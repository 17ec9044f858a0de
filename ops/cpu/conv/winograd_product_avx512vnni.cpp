// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/conv/winograd_product.h"
#include "cpu/conv/winograd_product_avx512.h"

namespace vqt::cpu {
namespace {

template <int kRows, int kPanels>
struct Multiply {
  static void run(const uint8_t* x, const int8_t* w, const LinearInt8Job& job, int64_t column,
                  const float* scale, const Prefetch& prefetch, float* m) {
    const auto store = [&](const auto& acc) __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) {
        const PanelScales panel(job, column + p * kPanel);
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r)
          _mm512_storeu_ps(m + r * kStripColumns + p * kPanel, panel.values(acc[r][p], scale[r]));
      }
    };
    const int64_t depth = job.w_depth();
    product<kRows, kPanels>(x, w, kPanel * depth, depth, prefetch, store);
  }
};

}  // namespace

void winograd_product_avx512vnni(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                                 int64_t panels, const WinogradPrefetch& prefetch) {
  const auto multiply = instance<Multiply>(rows, panels);
  for_each_position(a, column, panels, prefetch, [&](int64_t p, int64_t from, const Prefetch& next) {
    const QuantizedRows& x = a.rows[p];
    multiply(x.q + first * x.k_pad, a.job.w + from * a.job.w_depth(), a.job, from, x.scale + first, next,
             a.m + p * rows * kStripColumns);
  });
}

}  // namespace vqt::cpu
