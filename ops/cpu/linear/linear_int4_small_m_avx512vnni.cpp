// int4 on AVX512-VNNI, small m: nibbles are unpacked in registers, again for each tile, and multiplied as they are
// stored, 0 to 15. A group's zero point times the sum of its x is taken away where its sums begin: integers, so
// that the bits are those of (nibble - zero). With one or two tiles that costs less than to store what is unpacked.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <algorithm>

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int4_finish_avx512.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kLanes = 16;

// Sums of x over each group: [groups][16], one lane for each row of the tile.
void sum_groups(const LinearInt4Job& a, const uint8_t* x, int64_t height, int32_t* sums) {
  const auto bytes = static_cast<__mmask16>((1 << height) - 1);  // 4 bytes of each row
  for (int64_t g = 0; g < a.groups; ++g, sums += kLanes) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t k = 0; k < a.depth(g); k += 4, x += 4 * height) {
      dot4(sum, _mm512_maskz_loadu_epi32(bytes, x), _mm512_set1_epi8(1));
    }
    _mm512_store_si512(sums, sum);
  }
}

struct Tile {
  const uint8_t* x;
  const int32_t* x_sums;  // sum_groups
  const uint8_t* w;       // the first panel of the column block
  bool first;             // the others find the weights in a cache
  float* sums;            // [rows][panels][16]
};

template <int kRows, int kPanels>
struct Multiply {
  static void run(const LinearInt4Job& a, const Tile& tile) {
    const int64_t panel_bytes = a.panel_bytes(), head_bytes = kPanel * (a.symmetric ? 4 : 5);
    const __m512i low_bits = _mm512_set1_epi8(15);
    OnceRead<kPanels> once(tile.w, panel_bytes);
    const uint8_t *x = tile.x, *group = tile.w;
#pragma GCC unroll 24
    for (int i = 0; i < kRows * kPanels; ++i) _mm512_store_ps(tile.sums + i * kPanel, _mm512_setzero_ps());
    for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes) {
      if (tile.first) once.template prefetch<1>(head_bytes);
      __m512i acc[kRows][kPanels];
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        __m512i zero = _mm512_set1_epi32(-8);
        if (!a.symmetric) {
          const void* zeros = group + p * panel_bytes + kPanel * sizeof(float);
          zero = _mm512_sub_epi32(_mm512_setzero_si512(),
                                  _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(zeros))));
        }
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          acc[r][p] = _mm512_mullo_epi32(zero, _mm512_set1_epi32(tile.x_sums[g * kLanes + r]));
        }
      }
      const uint8_t* nibbles = group + head_bytes;
      const uint8_t* const end = x + a.depth(g) * kRows;
      for (; x != end; x += 8 * kRows, nibbles += 64) {
        if (tile.first) once.template prefetch<1>();
        __m512i high[kPanels], low[kPanels];
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) {
          const __m512i both = _mm512_loadu_si512(nibbles + p * panel_bytes);
          low[p] = _mm512_and_si512(both, low_bits);
          high[p] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_bits);
        }
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          const __m512i v = broadcast4(x + r * 4);
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p) dot4(acc[r][p], v, low[p]);
        }
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
          const __m512i v = broadcast4(x + (kRows + r) * 4);
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p) dot4(acc[r][p], v, high[p]);
        }
      }
      add_group<kRows, kPanels>(acc, group, panel_bytes, tile.sums);
    }
  }
};

}  // namespace

void linear_int4_small_m_avx512vnni(const LinearInt4Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4SmallMAvx512Vnni);
  const int64_t begin = a.x.first(rows.begin), end = a.x.first(rows.end), tile_sums = a.groups * kLanes;
  int64_t tiles = 0;
  for (int64_t row = begin; row < end; row += a.x.height(row)) ++tiles;
  auto* const x_sums = static_cast<int32_t*>(scratch(tiles * tile_sums * sizeof(int32_t)));
  int32_t* to = x_sums;
  for (int64_t row = begin; row < end; row += a.x.height(row), to += tile_sums) {
    sum_groups(a, a.x.q + row * a.x.k_pad, a.x.height(row), to);
  }
  const LinearBlock block =
      linear_block(LinearKernel::kInt4SmallMAvx512Vnni, a.x.rows, a.x.k_pad, a.group, cache_sizes());
  alignas(64) float sums[kTileSums];
  const int64_t all_rows = std::max<int64_t>(tiles, 1) * kTileRowsAvx512;  // x_sums are of one block of rows
  for_each_column_block(a.x, rows, columns, all_rows, block.columns, [&](const ColumnBlock& column_block) {
    const uint8_t* const w = a.w + column_block.column / kPanel * a.panel_bytes();
    int64_t row = column_block.rows.begin;
    for (int64_t t = 0; t < column_block.tiles; ++t) {
      const int64_t height = a.x.height(row);
      const Tile tile = {a.x.q + row * a.x.k_pad, x_sums + t * tile_sums, w, t == 0, sums};
      instance<Multiply>(height, column_block.panels)(a, tile);
      finish(a, row, height, column_block, columns, sums);
      row += height;
    }
  });
}

}  // namespace vqt::cpu
