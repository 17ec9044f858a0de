// int8 on AMX, k a multiple of 64. x is laid out anew for each row block, [k/64][12][64]: tiles of 12 rows, so that the
// rest of the kernel is that of AVX512-VNNI.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <algorithm>

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/gemm/product_amx.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int8_finish_avx512.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kSumsOfTile = kTileRowsAvx512 * 2 * kPanel;  // of two panels

// A tile of `height` rows, [k/4][height][4], as [k/64][12][64]. Rows that are not there stay undefined.
void lay_out(const uint8_t* x, int64_t height, int64_t depth, uint8_t* to) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i from = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int32_t>(height)));
  for (int64_t k = 0; k < depth; k += kDepthAmx, x += kDepthAmx * height, to += kDepthAmx * kTileRowsAvx512) {
    for (int64_t r = 0; r < height; ++r) {
      _mm512_store_si512(to + r * kDepthAmx, _mm512_i32gather_epi32(from, x + 4 * r, 4));
    }
  }
}

}  // namespace

void linear_int8_amx(const LinearInt8Job& a, Range rows, Range columns) {
  if (a.w_depth() % kDepthAmx != 0) return linear_int8_avx512vnni(a, rows, columns);
  count_run(LinearKernel::kInt8Amx);
  const int64_t depth = a.w_depth(), tile_bytes = kTileRowsAvx512 * depth;
  const LinearBlock block = linear_block(LinearKernel::kInt8Amx, a.x.rows, a.k, 0, cache_sizes());
  auto* const x = static_cast<uint8_t*>(scratch((block.rows / kTileRowsAvx512) * tile_bytes));
  alignas(64) int32_t sums[2 * kSumsOfTile];
  const TileConfig<kTileRowsAvx512> config;
  _tile_loadconfig(&config);
  int64_t laid_out = -1;  // the row block that x holds
  for_each_column_block(a.x, rows, columns, block.rows, block.columns, [&](const ColumnBlock& column_block) {
    if (laid_out != column_block.rows.begin) {
      laid_out = column_block.rows.begin;
      uint8_t* to = x;
      for (int64_t row = laid_out; row < column_block.rows.end; row += a.x.height(row), to += tile_bytes) {
        lay_out(a.x.q + row * a.x.k_pad, a.x.height(row), depth, to);
      }
    }
    const int64_t pairs = (column_block.tiles + 1) / 2;
    const PrefetchShares shares = column_block.prefetch(a.w + column_block.next * depth,
                                                        column_block.panels * kPanel * depth, depth, pairs);
    int64_t row = column_block.rows.begin;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const int64_t tiles = std::min<int64_t>(2, column_block.tiles - 2 * pair);
      const int64_t pitch = column_block.panels * kPanel;
      kMultiplyAmx[tiles - 1][column_block.panels - 1](
          {x + 2 * pair * tile_bytes, kDepthAmx, kTileRowsAvx512, tile_bytes},
          a.w + column_block.column * depth, depth, shares.share(pair),
          {sums, pitch, kTileRowsAvx512 * pitch});
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t height = a.x.height(row);
        finish(a, row, height, column_block, columns, sums + t * kTileRowsAvx512 * pitch);
        row += height;
      }
    }
  });
  _tile_release();
}

}  // namespace vqt::cpu
