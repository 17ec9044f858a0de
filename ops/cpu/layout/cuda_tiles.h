// Tiles: how the CUDA kernels find 8-bit rows in memory, x's and W's alike. Kernels copy runs of whole tiles to
// shared memory byte for byte, where the tensor cores' loads meet no bank twice.
//
//   tile    64 rows x 128 values of k, 8 KiB; row r takes bytes 128 r .. 128 r + 127
//           of these, the piece of 16 bytes that holds k stands at (k / 16) ^ (r % 8): the "128-byte swizzle"
//   matrix  [ceil(rows / 64)][ceil(k / 128)] tiles; values from k on are 0
//           The last tiles of x hold rows % 64 rows and are as much shorter; W has rows of 0 up to a multiple of 64.
//   W       column n of y is row tile_row_of(n % 64) of its tile. A tensor core's result gives a thread the rows
//           8 j + 2 t and 8 j + 2 t + 1 of W's tile (t = lane % 4, j = 0..7); in this order they are the columns
//           8 t .. 8 t + 7 and 32 + 8 t .. 32 + 8 t + 7 of y, two runs that leave in wide stores.
//
// For host and device code.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define VQT_TILE_FN __host__ __device__ constexpr
#else
#define VQT_TILE_FN constexpr
#endif

namespace vqt::cuda {

constexpr int kTileRows = 64, kTileDepth = 128, kTileBytes = kTileRows * kTileDepth;

// k and the rows of W, padded to whole tiles.
VQT_TILE_FN int64_t tile_depth(int64_t k) { return (k + kTileDepth - 1) / kTileDepth * kTileDepth; }
VQT_TILE_FN int64_t tile_rows(int64_t n) { return (n + kTileRows - 1) / kTileRows * kTileRows; }

// Rows that the tile of `row` holds, of a matrix with `rows` rows.
VQT_TILE_FN int tile_height(int64_t row, int64_t rows) {
  const int64_t left = rows - row / kTileRows * kTileRows;
  return left < kTileRows ? static_cast<int>(left) : kTileRows;
}

// First byte of the tile that holds a row, and k's from 128 * chunk on. k_pad: tile_depth(k).
VQT_TILE_FN int64_t tile_offset(int64_t row, int64_t chunk, int64_t rows, int64_t k_pad) {
  return row / kTileRows * kTileRows * k_pad + chunk * kTileDepth * tile_height(row, rows);
}

// Byte within a tile of row 0..63 and k 0..127; up to the next multiple of 16 the k's after it follow.
VQT_TILE_FN int byte_in_tile(int row, int k) { return row * kTileDepth + (k / 16 ^ row % 8) * 16 + k % 16; }

// Byte of a value of the matrix.
VQT_TILE_FN int64_t tiled_offset(int64_t row, int64_t k, int64_t rows, int64_t k_pad) {
  return tile_offset(row, k / kTileDepth, rows, k_pad) +
         byte_in_tile(static_cast<int>(row % kTileRows), static_cast<int>(k % kTileDepth));
}

// W: the row of a tile that holds its column n = 0..63 of y; the other way round too, as it is its own inverse.
VQT_TILE_FN int tile_row_of(int n) { return n / 32 * 32 + n % 8 / 2 * 8 + n % 32 / 8 * 2 + n % 2; }

}  // namespace vqt::cuda
