// A quantized activation: rows of u8, each with its scale and zero point, as the linears read them.
//
//   q      tiles of rows, each [k_pad/4][h][4] u8 for a tile of h rows: `tile` rows, fewer at the end (below)
//          k_pad is k up to a multiple of 8; bytes from k on are 0
//   scale  f32[rows]   NaN: the row held NaN or Inf, and so is all that is computed from it
//   zero   i32[rows]   x' = (q - zero) * scale
//   sum    i32[rows]   of a row's u8 values; -1: not taken (linears that store u8; few readers need it)
//
// `tile` is the height of the tile that the instruction set's microkernel computes: its loop over k then
// walks x with one pointer. With a tile of 1, q is row-major. The last rows are cut evenly: where the rows
// left over would make less than half a tile, they share one and a bit tiles as two (13 rows of 12: 7 + 6),
// as a tile of one row costs almost what one of six does.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/isa.h"

namespace vqt::cpu {

struct QuantizedRows {
  uint8_t* q = nullptr;
  float* scale = nullptr;
  int32_t* zero = nullptr;
  int32_t* sum = nullptr;
  int64_t rows = 0;
  int64_t k_pad = 0;
  int64_t tile = 1;

  // First row of the tile that holds a row (rows for row = rows).
  int64_t first(int64_t row) const {
    const int64_t tail = tail_begin();
    if (row < tail) return row - row % tile;
    if (row >= rows) return rows;
    return row >= tail + tail_height() ? tail + tail_height() : tail;
  }
  // Rows of the tile that begins at `row`, which is first(row).
  int64_t height(int64_t row) const {
    const int64_t tail = tail_begin();
    return row < tail ? tile : row == tail ? tail_height() : rows - row;
  }
  // Where the four values from k (a multiple of 4) of a row are stored.
  int64_t offset(int64_t row, int64_t k) const {
    const int64_t begin = first(row);
    return begin * k_pad + k * height(begin) + (row - begin) * 4;
  }
  uint8_t value(int64_t row, int64_t k) const { return q[offset(row, k / 4 * 4) + k % 4]; }

 private:
  // Rows from here on, fewer than one and a half tiles, are in one tile or in two even ones.
  int64_t tail_begin() const {
    const int64_t rest = rows % tile;
    return rows - rest - (0 < rest && 2 * rest < tile && rows > tile ? tile : 0);
  }
  int64_t tail_height() const {
    const int64_t left = rows - tail_begin();
    return left > tile ? (left + 1) / 2 : left;
  }
};

constexpr int64_t activation_depth(int64_t k) { return (k + 7) / 8 * 8; }  // k_pad

// Rows of a tile of x for this instruction set.
constexpr int64_t activation_tile(Isa isa) { return isa == Isa::kAvx512Vnni || isa == Isa::kAmx ? 12 : 1; }

// One byte block holds all of it: q, scale, zero, sum, without gaps, then k % 8 bytes a row that are not used:
// no two k have blocks of one size, so that a reader with another k is found out. Rows times this many bytes.
constexpr int64_t activation_bytes_per_row(int64_t k) { return activation_depth(k) + 12 + k % 8; }

// The view of such a block (aligned to 4 bytes).
inline QuantizedRows activation_rows(uint8_t* block, int64_t rows, int64_t k, int64_t tile) {
  QuantizedRows a;
  a.rows = rows;
  a.k_pad = activation_depth(k);
  a.tile = tile;
  a.q = block;
  a.scale = reinterpret_cast<float*>(block + rows * a.k_pad);
  a.zero = reinterpret_cast<int32_t*>(a.scale + rows);
  a.sum = a.zero + rows;
  return a;
}

// What surrounds a kernel whose result is a quantized activation of k values a row (epilogue.h). Before it:
// scales and zero points, no sums, padding that is 0. After it: rows whose scale became NaN are 0.
void begin_static(const QuantizedRows& a, int64_t k, float scale, int32_t zero);
void clear_nan_rows(const QuantizedRows& a);

// The sums of some rows. Every other field of a is read.
void sum_rows(const QuantizedRows& a, int64_t row_begin, int64_t row_end, int32_t* sum);

}  // namespace vqt::cpu
