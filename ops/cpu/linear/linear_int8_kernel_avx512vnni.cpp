// int8 on AVX512-VNNI: tiles of up to 12 rows x 2 panels (product_avx512vnni.h), one column block after the
// other (column_blocks_avx512vnni.h). A tile's int32 sums go through L1 to the epilogue: an instance of the
// epilogue for every height is not worth its code.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/gemm/column_blocks_avx512vnni.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int8_finish_avx512.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {
namespace {

template <int kRows, int kPanels>
struct Multiply {
  static void run(const uint8_t* x, const int8_t* w, int64_t depth, const Prefetch& prefetch, int32_t* sums) {
    const auto store = [&](const auto& acc) __attribute__((always_inline)) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) _mm512_store_si512(sums + (r * kPanels + p) * kPanel, acc[r][p]);
      }
    };
    product<kRows, kPanels>(x, w, kPanel * depth, depth, prefetch, store);
  }
};

template <class Finish>
void run(const LinearInt8Job& a, Range rows, Range columns, Finish finish_tile) {
  const int64_t depth = a.w_depth();
  const LinearBlock block = linear_block(LinearKernel::kInt8Avx512Vnni, a.x.rows, a.k, 0, cache_sizes());
  alignas(64) int32_t sums[kTileRowsAvx512 * 2 * kPanel];
  static_assert(sizeof(sums) / sizeof(sums[0]) >= kRowsOf4Panels * 4 * kPanel);
  static_assert(sizeof(sums) / sizeof(sums[0]) >= kRowsOf8Panels * 8 * kPanel);
  for_each_column_block(a.x, rows, columns, block.rows, block.columns, [&](const ColumnBlock& column_block) {
    const int8_t* const w = a.w + column_block.column * depth;
    const bool once = column_block.tiles == 1;
    PrefetchShares shares;
    if (!once) {
      shares = column_block.prefetch(a.w + column_block.next * depth, column_block.panels * kPanel * depth,
                                     depth, column_block.tiles);
    }
    int64_t row = column_block.rows.begin;
    for (int64_t t = 0; t < column_block.tiles; ++t) {
      const int64_t height = a.x.height(row);
      Prefetch prefetch = shares.share(t);
      prefetch.once = once;
      prefetch_result(a.out, row, height, column_block.column, depth / 16, prefetch);
      instance<Multiply>(height, column_block.panels)(a.x.q + row * a.x.k_pad, w, depth, prefetch, sums);
      finish_tile(row, height, column_block, sums);
      row += height;
    }
  });
}

}  // namespace

void linear_int8_avx512vnni(const LinearInt8Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt8Avx512Vnni);
  run(a, rows, columns,
      [&](int64_t row, int64_t height, const ColumnBlock& column_block, const int32_t* sums) {
        finish(a, row, height, column_block, columns, sums);
      });
}

void product_int8_avx512vnni(const LinearInt8Job& a, Range rows, Range columns) {
  run(a, rows, columns,
      [&](int64_t row, int64_t height, const ColumnBlock& column_block, const int32_t* sums) {
        for (int64_t r = 0; r < height; ++r) {
          float* y = a.out.y + (row + r) * a.out.y_stride - a.out.first_column;
          for (int64_t p = 0; p < column_block.panels; ++p, sums += kPanel) {
            const int64_t c = column_block.column + p * kPanel;
            _mm512_mask_storeu_epi32(y + c, lanes_in(columns, c), _mm512_load_si512(sums));
          }
        }
      });
}

}  // namespace vqt::cpu
