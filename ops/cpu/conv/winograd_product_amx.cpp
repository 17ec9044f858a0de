// Winograd's products on AMX, where 64 divides the depth: rows of x lie as they are (a tile of 1), two times 16 of them.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/conv/winograd_product.h"
#include "cpu/conv/winograd_product_avx512.h"
#include "cpu/gemm/product_amx.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kTile = 16;  // rows of x
static_assert(kRowsAmx == 2 * kTile);

}  // namespace

void winograd_product_amx(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                          int64_t panels, const WinogradPrefetch& prefetch) {
  const int64_t depth = a.job.w_depth();
  const auto multiply = kMultiplyAmx[rows > kTile][panels - 1];
  const TileConfig<kTile> config;
  _tile_loadconfig(&config);
  alignas(64) int32_t sums[2][kRowsAmx * kStripColumns];
  for_each_position(a, column, panels, prefetch, [&](int64_t p, int64_t from, const Prefetch& next) {
    const QuantizedRows& x = a.rows[p];
    int32_t* const of = sums[p % 2];
    // Rows that are not there are whatever lies behind x.
    multiply({x.q + first * depth, depth, 1, kTile * depth}, a.job.w + from * depth, depth, next,
             {of, kStripColumns, kTile * kStripColumns});
    float* const m = a.m + p * rows * kStripColumns;
    for (int64_t i = 0; i < panels * kPanel; i += kPanel) {
      const PanelScales panel(a.job, from + i);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t at = r * kStripColumns + i;
        _mm512_storeu_ps(m + at, panel.values(_mm512_load_si512(of + at), x.scale[first + r]));
      }
    }
  });
  _tile_release();
}

}  // namespace vqt::cpu
