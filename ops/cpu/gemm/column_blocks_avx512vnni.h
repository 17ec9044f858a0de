// The order in which an AVX512-VNNI linear computes its result. For files named *_avx512vnni.cpp only.
//
//   for each block of rows              its part of x stays in L2
//     for each column block             1, 2, 4 or 8 panels of the weight
//       visit                           the column block stays in L1 or L2 while all tiles of the rows use it
//
// While a column block is multiplied the next one is prefetched into L2, an even share with every tile: memory
// is read all the time, not by the first tile of a column block alone. A single tile needs each weight once: it
// brings them into L1 shortly before (Prefetch::once).
#pragma once

#include <utility>

#include "cpu/gemm/product_avx512vnni.h"
#include "cpu/layout/activation.h"
#include "cpu/layout/panel.h"
#include "cpu/range.h"

namespace vqt::cpu {
namespace {

// Rows of a tile that may take 4 panels, or 8 (linear_block.h).
constexpr int kRowsOf4Panels = 4, kRowsOf8Panels = 2;

// `bytes` bytes at w, to be prefetched in even shares.
struct PrefetchShares {
  const char* w = nullptr;
  int64_t bytes = 0, share_bytes = 0, step_bytes = 0;

  Prefetch share(int64_t i) const {
    Prefetch a;
    if (i * share_bytes >= bytes) return a;
    a.weights = w + i * share_bytes;
    a.step_bytes = step_bytes;
    return a;
  }
};

struct ColumnBlock {
  int64_t column;  // of W, the first
  int64_t panels;
  int64_t next;  // first column of the next column block; -1: none
  Range rows;    // whole tiles
  int64_t tiles;

  // How `shares` products of depth `depth` prefetch the next column block, `bytes` bytes at w.
  PrefetchShares prefetch(const void* w, int64_t bytes, int64_t depth, int64_t shares) const {
    const int64_t steps = depth / 16;
    if (next < 0 || steps == 0) return {};
    const int64_t lines = (bytes / 64 + steps * shares - 1) / (steps * shares);  // with every step
    return {static_cast<const char*>(w), bytes, steps * lines * 64, lines * 64};
  }
};

// F<rows, panels>::run for a tile of a column block.
template <template <int, int> class F, int kPanels, int... kRows>
inline auto instance(int64_t rows, std::integer_sequence<int, kRows...>) {
  static constexpr decltype(&F<1, kPanels>::run) kTable[] = {F<kRows + 1, kPanels>::run...};
  return kTable[rows - 1];
}
template <template <int, int> class F>
inline auto instance(int64_t rows, int64_t panels) {
  using All = std::make_integer_sequence<int, kTileRowsAvx512>;
  if (panels == 8) return instance<F, 8>(rows, std::make_integer_sequence<int, kRowsOf8Panels>());
  if (panels == 4) return instance<F, 4>(rows, std::make_integer_sequence<int, kRowsOf4Panels>());
  return panels == 2 ? instance<F, 2>(rows, All()) : instance<F, 1>(rows, All());
}

// Row blocks have at most block_rows rows each, all about the same number, column blocks at most block_columns
// columns (more than 2 panels only where every tile has an instance with as many). A tile belongs to the range of rows
// that holds its last row.
template <class Visit>
inline void for_each_column_block(const QuantizedRows& x, Range rows, Range columns, int64_t block_rows,
                                  int64_t block_columns, Visit visit) {
  const int64_t block_tiles = block_rows / kTileRowsAvx512, most_panels = block_columns / kPanel;
  const int64_t end = x.first(rows.end), first_column = columns.begin / kPanel * kPanel;
  int64_t row = x.first(rows.begin), tiles = 0;
  for (int64_t r = row; r < end; r += x.height(r)) ++tiles;
  const int64_t blocks = (tiles + block_tiles - 1) / block_tiles;
  for (int64_t b = 0; b < blocks; ++b) {
    ColumnBlock s;
    s.tiles = tiles * (b + 1) / blocks - tiles * b / blocks;
    s.rows.begin = row;
    for (int64_t t = 0; t < s.tiles; ++t) row += x.height(row);
    s.rows.end = row;
    for (s.column = first_column; s.column < columns.end; s.column += s.panels * kPanel) {
      const int64_t left = (columns.end - s.column + kPanel - 1) / kPanel;
      for (s.panels = most_panels; s.panels > left;) s.panels /= 2;
      s.next = left > s.panels ? s.column + s.panels * kPanel : b + 1 < blocks ? first_column : -1;
      visit(s);
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
