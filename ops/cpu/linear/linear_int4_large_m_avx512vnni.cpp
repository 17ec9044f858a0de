// int4 on AVX512-VNNI, large m: the int8 product, one group of a column block at a time (column_blocks_avx512vnni.h).
// The group's nibbles are unpacked once for all tiles of the row block.
//
//   for each group                       unpacked, minus zero: 32 bytes per value of k, 4 KB at g128, in L1
//     for each tile of the row block     int32 sums of the group, then float sums += scale * int32 sums
//                                        1.5 KB of float sums per tile: 18 KB for a block of 12 tiles
//
// Unpacking 64 bytes takes 5 instructions beside the 24 vpdpbusd for every 4 values of k of a tile: 2 % with
// 12 tiles. The end of a group takes 3 instructions for each of a tile's 24 sums: 9 % at g128 where all of
// them share two ports.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int4_finish_avx512.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

// One group of one panel as s8 [depth/4][16][4].
void unpack_group(const LinearInt4Job& a, const uint8_t* packed, int64_t depth, int8_t* w) {
  const uint8_t* zeros = packed + kPanel * sizeof(float);
  const uint8_t* nibbles = a.symmetric ? zeros : zeros + kPanel;
  __m512i zero = _mm512_set1_epi8(8);
  if (!a.symmetric) {  // every byte of a column's 32-bit lane
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(zeros));
    zero = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(0x01010101));
  }
  const __m512i low = _mm512_set1_epi8(15);
  for (int64_t k = 0; k < depth; k += 8, nibbles += 64, w += 128) {
    const __m512i v = _mm512_loadu_si512(nibbles);
    _mm512_store_si512(w, _mm512_sub_epi8(_mm512_and_si512(v, low), zero));
    _mm512_store_si512(w + 64, _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(v, 4), low), zero));
  }
}

// A tile and one group of a column block.
struct TileGroup {
  const uint8_t* x;
  const int8_t* w;  // panels of the group, side by side
  int64_t depth;
  const uint8_t* scale;  // f32[16] of the first panel
  int64_t scale_stride;  // bytes to the next panel's
  float* sums;           // [rows][panels][16]
};

template <int kRows, int kPanels>
struct Multiply {
  static void run(const TileGroup& group, const Prefetch& prefetch) {
    const auto add = [&group](const auto& dot) __attribute__((always_inline)) {
      add_group<kRows, kPanels>(dot, group.scale, group.scale_stride, group.sums);
    };
    product<kRows, kPanels>(group.x, group.w, kPanel * group.depth, group.depth, prefetch, add);
  }
};

}  // namespace

void linear_int4_large_m_avx512vnni(const LinearInt4Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4LargeMAvx512Vnni);
  const int64_t panel_bytes = a.panel_bytes();
  const LinearBlock block =
      linear_block(LinearKernel::kInt4LargeMAvx512Vnni, a.x.rows, a.x.k_pad, a.group, cache_sizes());
  const int64_t sums_bytes = block.rows / kTileRowsAvx512 * kTileSums * static_cast<int64_t>(sizeof(float));
  auto* const sums = static_cast<float*>(scratch(sums_bytes + 2 * kPanel * a.group));
  auto* const w = reinterpret_cast<int8_t*>(sums) + sums_bytes;

  for_each_column_block(a.x, rows, columns, block.rows, block.columns, [&](const ColumnBlock& column_block) {
    const uint8_t* packed = a.w + column_block.column / kPanel * panel_bytes;
    const PrefetchShares shares =
        column_block.prefetch(a.w + column_block.next / kPanel * panel_bytes,
                              column_block.panels * panel_bytes, a.group, a.groups * column_block.tiles);
    // A masked load that leaves the first group's out would cost the ports of vpdpbusd an instruction.
    for (int64_t i = 0; i < column_block.tiles * kTileSums; i += kPanel)
      _mm512_store_ps(sums + i, _mm512_setzero_ps());
    for (int64_t g = 0, share = 0; g < a.groups; ++g, packed += a.group_bytes) {
      const int64_t depth = a.depth(g);
      for (int64_t p = 0; p < column_block.panels; ++p) {
        unpack_group(a, packed + p * panel_bytes, depth, w + p * kPanel * depth);
      }
      const bool last = g + 1 == a.groups;
      int64_t row = column_block.rows.begin;
      for (int64_t t = 0; t < column_block.tiles; ++t, ++share) {
        const int64_t height = a.x.height(row);
        Prefetch prefetch = shares.share(share);
        if (last) prefetch_result(a.out, row, height, column_block.column, a.group / 16, prefetch);
        const uint8_t* x = a.x.q + row * a.x.k_pad + g * a.group * height;
        const TileGroup group = {x, w, depth, packed, panel_bytes, sums + t * kTileSums};
        instance<Multiply>(height, column_block.panels)(group, prefetch);
        if (last) finish(a, row, height, column_block, columns, group.sums);
        row += height;
      }
    }
  });
}

}  // namespace vqt::cpu
