// int8 on AMX, k a multiple of 64: a panel's 64 values of k are an operand of tdpbusd as they are stored, 16 rows of
// 64 bytes. x is laid out anew for each row block, [k/64][12][64]: tiles of 12 rows, so that the rest of the kernel is
// that of AVX512-VNNI. Two tiles of rows x two panels are 4 sums + 4 operands = 8 tiles; 4 products take 48 cycles
// and read 56 lines of 64 bytes.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <algorithm>

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int8_finish_avx512.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kDepth = 64;                                 // values of k of one tdpbusd
constexpr int64_t kSumsOfTile = kTileRowsAvx512 * 2 * kPanel;  // of two panels

// Tiles 0 to 3: sums; 4, 5: of x; 6, 7: of the weight.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {12, 12, 12, 12, 12, 12, 16, 16};
};
static_assert(kTileRowsAvx512 == 12 && sizeof(TileConfig) == 64);

// A tile of `height` rows, [k/4][height][4], as [k/64][12][64]. Rows that are not there stay undefined.
void lay_out(const uint8_t* x, int64_t height, int64_t depth, uint8_t* to) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i from = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int32_t>(height)));
  for (int64_t k = 0; k < depth; k += kDepth, x += kDepth * height, to += kDepth * kTileRowsAvx512) {
    for (int64_t r = 0; r < height; ++r) {
      _mm512_store_si512(to + r * kDepth, _mm512_i32gather_epi32(from, x + 4 * r, 4));
    }
  }
}

// sums: [kTiles][12][kPanels][16]. x: tiles of x_stride bytes.
template <int kTiles, int kPanels>
void multiply(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t depth, const Prefetch& next,
              int32_t* sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int8_t* const second = w + kPanel * depth;
  const char* weights = next.weights;
  for (int64_t k = 0; k < depth; k += kDepth) {
    for (const char* stop = weights + 4 * next.step_bytes; weights != stop; weights += 64) {
      _mm_prefetch(weights, _MM_HINT_T1);
    }
    _tile_loadd(4, x + k * kTileRowsAvx512, kDepth);
    _tile_loadd(6, w + k * kPanel, kDepth);
    _tile_dpbusd(0, 4, 6);
    if (kPanels == 2) {
      _tile_loadd(7, second + k * kPanel, kDepth);
      _tile_dpbusd(1, 4, 7);
    }
    if (kTiles == 2) {
      _tile_loadd(5, x + x_stride + k * kTileRowsAvx512, kDepth);
      _tile_dpbusd(2, 5, 6);
      if (kPanels == 2) _tile_dpbusd(3, 5, 7);
    }
  }
  constexpr int64_t kPitch = kPanels * kPanel;
  _tile_stored(0, sums, kPitch * sizeof(int32_t));
  if (kPanels == 2) _tile_stored(1, sums + kPanel, kPitch * sizeof(int32_t));
  if (kTiles == 2) {
    _tile_stored(2, sums + kTileRowsAvx512 * kPitch, kPitch * sizeof(int32_t));
    if (kPanels == 2) _tile_stored(3, sums + kTileRowsAvx512 * kPitch + kPanel, kPitch * sizeof(int32_t));
  }
}

constexpr decltype(&multiply<1, 1>) kMultiply[2][2] = {{multiply<1, 1>, multiply<1, 2>},
                                                       {multiply<2, 1>, multiply<2, 2>}};

}  // namespace

void linear_int8_amx(const LinearInt8Job& a, Range rows, Range columns) {
  if (a.w_depth() % kDepth != 0) return linear_int8_avx512vnni(a, rows, columns);
  count_run(LinearKernel::kInt8Amx);
  const int64_t depth = a.w_depth(), tile_bytes = kTileRowsAvx512 * depth;
  const LinearBlock block = linear_block(LinearKernel::kInt8Amx, a.x.rows, a.k, 0, cache_sizes());
  auto* const x = static_cast<uint8_t*>(scratch((block.rows / kTileRowsAvx512) * tile_bytes));
  alignas(64) int32_t sums[2 * kSumsOfTile];
  const TileConfig config;
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
      kMultiply[tiles - 1][column_block.panels - 1](x + 2 * pair * tile_bytes, tile_bytes,
                                                    a.w + column_block.column * depth, depth,
                                                    shares.share(pair), sums);
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t height = a.x.height(row);
        finish(a, row, height, column_block, columns,
               sums + t * kTileRowsAvx512 * column_block.panels * kPanel);
        row += height;
      }
    }
  });
  _tile_release();
}

}  // namespace vqt::cpu
