// The 16 products of Winograd's tiles with a strip of columns, for the rows of one tile of rows: sums stay in L1.
#pragma once

#include <cstdint>

#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {

constexpr int64_t kStripColumns = 2 * kPanel;  // at most, and from one row of m to the next
constexpr int64_t kRowsAmx = 32;               // that AMX takes at a time

struct WinogradProduct {
  LinearInt8Job job;                    // depth and packed matrix; x and out are not used
  const QuantizedRows* rows = nullptr;  // [16]
  int64_t position_columns = 0;         // columns of the matrix from one position to the next
  float* m = nullptr;                   // [16][rows][kStripColumns]
};

// Where the next strip lies, and lines of the result that will be written; to be read ahead while one multiplies.
struct WinogradPrefetch {
  int64_t next_column = -1;  // of a position; -1: none
  int64_t share = 0, shares = 1;
  const char* const* pixels = nullptr;  // [count], what the strip stores to
  int64_t count = 0, bytes = 0;         // of a pixel
};

// m[p][r][c] = the value of linear_int8 of row first + r of position p, column p * position_columns + column + c,
// bit for bit, for 0 <= r < rows; 1 or 2 panels of columns.
// AVX512-VNNI: the rows of a tile (activation.h). AMX: up to kRowsAmx rows; the tile of the activation is 1, 64 divides
// the depth, and what kRowsAmx rows would take is readable.
void winograd_product_avx512vnni(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                                 int64_t panels, const WinogradPrefetch& prefetch);
void winograd_product_amx(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                          int64_t panels, const WinogradPrefetch& prefetch);

}  // namespace vqt::cpu
