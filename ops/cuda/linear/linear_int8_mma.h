// linear_int8 by mma.sync, for compute capability 8.0 and up. A block computes one tile of y; chunks of 128 k's of its
// rows of x and W come through cp.async into a ring of stages while earlier ones are multiplied.
#pragma once

#include "cuda/linear/copy_tiles.h"

namespace vqt::cuda {

template <int block_rows, int block_columns, int stages>
struct MmaTiles {
  static constexpr int kRows = block_rows, kColumns = block_columns, kStages = stages;
  static constexpr int kWarpRows = 32, kWarpColumns = kTileRows;  // of y: one tile of W across
  static constexpr int kRowWarps = kRows / kWarpRows;
  static constexpr int kThreads = 32 * kRowWarps * (kColumns / kWarpColumns);
  static constexpr int kStageBytes = (kRows + kColumns) * kTileDepth;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static_assert(kRows % kTileRows == 0 && kColumns % kTileRows == 0, "whole tiles are copied");
};

template <class Tiles, class Result>
VQT_KERNEL void VQT_BOUNDS(Tiles::kThreads, 1) linear_int8_mma(const LinearInt8 a) {
  constexpr int kThreads = Tiles::kThreads, kStages = Tiles::kStages;
  constexpr int kHeights = Tiles::kWarpRows / 16, kWidths = Tiles::kWarpColumns / 8;  // products of 16 x 8
  const int lane = thread_index() % 32, warp = thread_index() / 32;
  const TilePlace place =
      tile_place(block_index(), blocks_of_rows(a, Tiles::kRows), blocks_of_columns(a, Tiles::kColumns));
  const int64_t row0 = int64_t{place.row} * Tiles::kRows;
  const int64_t column0 = first_tile_column(a) + int64_t{place.column} * Tiles::kColumns;
  const int64_t k_pad = tile_depth(a.scales.k);
  const int chunks = static_cast<int>(k_pad / kTileDepth);
  char* const shared = shared_memory();

  // One group of copies a chunk, of nothing after the last: the number of groups on their way tells what has come.
  const auto start_copy = [&](int chunk) {
    if (chunk < chunks) {
      char* const stage = shared + chunk % kStages * Tiles::kStageBytes;
      copy_tiles<kThreads, Tiles::kRows / kTileRows>(stage, a.x, row0, chunk, a.rows, k_pad);
      copy_tiles<kThreads, Tiles::kColumns / kTileRows>(stage + Tiles::kRows * kTileDepth, a.w, column0,
                                                        chunk, a.n_pad, k_pad);
    }
    copy_async_commit();
  };

  // ldmatrix: lane i names row i % 8 of the 8 x 16 bytes number i / 8. Of x: rows 0-7 and 8-15, then both 16 k's on;
  // of W: k's 0-15 and 16-31 of rows 0-7, then of rows 8-15.
  const int warp_row = warp % Tiles::kRowWarps * Tiles::kWarpRows, warp_tile = warp / Tiles::kRowWarps;
  const int x_row = warp_row + lane % 16, x_piece = lane / 16;
  const int w_row = lane / 16 * 8 + lane % 8, w_piece = lane / 8 % 2;

  int32_t acc[kHeights][kWidths][4] = {};
  for (int chunk = 0; chunk < kStages - 1; ++chunk) start_copy(chunk);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    copy_async_wait<kStages - 2>();
    sync_block();  // every thread's copies of this chunk have come, and all are done with the stage filled next
    start_copy(chunk + kStages - 1);
    const char* const x = shared + chunk % kStages * Tiles::kStageBytes;
    const char* const w = x + Tiles::kRows * kTileDepth + warp_tile * kTileBytes;
    VQT_UNROLL
    for (int step = 0; step < kTileDepth / 32; ++step) {
      uint32_t left[kHeights][4], right[kWidths / 2][4];
      VQT_UNROLL
      for (int i = 0; i < kHeights; ++i)
        load_matrices(left[i], x + (x_row + 16 * i) * kTileDepth + ((2 * step + x_piece) ^ x_row % 8) * 16);
      VQT_UNROLL
      for (int j = 0; j < kWidths / 2; ++j)
        load_matrices(right[j], w + (w_row + 16 * j) * kTileDepth + ((2 * step + w_piece) ^ w_row % 8) * 16);
      VQT_UNROLL
      for (int i = 0; i < kHeights; ++i) {
        VQT_UNROLL
        for (int j = 0; j < kWidths; ++j)
          mma_u8s8(acc[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
  copy_async_wait<0>();

  VQT_UNROLL
  for (int half = 0; half < 2; ++half) {  // 32 columns of y
    ColumnRun columns;
    const int64_t column = column0 + warp_tile * Tiles::kWarpColumns + half * 32 + lane % 4 * 8;
    if (!load_columns(a.scales, a.out, column, columns)) continue;
    VQT_UNROLL
    for (int i = 0; i < kHeights; ++i) {
      VQT_UNROLL
      for (int lower = 0; lower < 2; ++lower) {
        int32_t sums[8];
        VQT_UNROLL
        for (int c = 0; c < 8; ++c) sums[c] = acc[i][half * 4 + c / 2][lower * 2 + c % 2];
        const int64_t row = row0 + warp_row + 16 * i + 8 * lower + lane / 4;
        finish8(Result(), a.scales, a.out, a.rows, row, columns, sums);
      }
    }
  }
}

}  // namespace vqt::cuda
