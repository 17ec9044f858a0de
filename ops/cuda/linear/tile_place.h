// Which part of y a block computes.
#pragma once

#include <cstdint>

#include "cpu/layout/cuda_tiles.h"
#include "cuda/device.h"
#include "cuda/linear/linear_int8.h"

namespace vqt::cuda {

// The tile of y, of block_rows x block_columns, that block number `index` computes. Blocks that run at one time
// share rows of x and columns of W: they walk down 8 blocks of rows before they go on to the next columns.
struct TilePlace {
  int row, column;
};
VQT_HOST_DEVICE TilePlace tile_place(int index, int row_blocks, int column_blocks) {
  constexpr int kGroup = 8;
  const int first = index / (kGroup * column_blocks) * kGroup, within = index % (kGroup * column_blocks);
  const int height = row_blocks - first < kGroup ? row_blocks - first : kGroup;
  return {first + within % height, within / height};
}

// Columns of W that blocks cover begin with the tile that holds y's first.
VQT_HOST_DEVICE int64_t first_tile_column(const LinearInt8& a) {
  return a.out.first_column / kTileRows * kTileRows;
}
VQT_HOST_DEVICE int blocks_of_rows(const LinearInt8& a, int block_rows) {
  return static_cast<int>((a.rows + block_rows - 1) / block_rows);
}
VQT_HOST_DEVICE int blocks_of_columns(const LinearInt8& a, int block_columns) {
  const int64_t columns = a.out.first_column + a.out.columns - first_tile_column(a);
  return static_cast<int>((columns + block_columns - 1) / block_columns);
}

}  // namespace vqt::cuda
