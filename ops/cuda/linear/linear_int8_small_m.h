// linear_int8 for few rows of x, by mma.sync, for compute capability 8.0 and up. Reading W sets the pace. W is the left
// operand, whose products are 16 high, and x the right one, 8 wide: so few rows of x waste little. A block computes all
// rows of 64 columns; four warps share the 64, and two halves of the block share each chunk of k.
#pragma once

#include "cuda/linear/copy_tiles.h"

namespace vqt::cuda {

template <int most_rows, int stages>
struct SmallMTiles {
  static constexpr int kRows = most_rows, kColumns = kTileRows, kStages = stages;
  static constexpr int kHalves = 2, kThreads = kHalves * 128;
  static constexpr int kStageBytes = (kRows + kColumns) * kTileDepth;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  // Sums on their way to the threads that finish them: [halves][rows][kSumStride]. A stride of 1 more than a multiple of
  // 16 lets neither the fragments nor their readers meet a bank twice.
  static constexpr int kSumStride = kColumns + 1;
  static_assert(kRows % 16 == 0 && kRows <= kTileRows, "rows of x are read 16 at a time, from one tile");
  static_assert(kHalves * kRows * kSumStride * 4 <= kSharedBytes, "sums take the place of the stages");
};

template <class Tiles, class Result>
VQT_KERNEL void VQT_BOUNDS(Tiles::kThreads, 1) linear_int8_small_m(const LinearInt8 a) {
  constexpr int kStages = Tiles::kStages, kWidths = Tiles::kRows / 8;  // products of 16 columns x 8 rows of x
  const int lane = thread_index() % 32, warp = thread_index() / 32;
  const int half = warp / 4, w_row0 = warp % 4 * 16;
  const int64_t column0 = first_tile_column(a) + int64_t{block_index()} * Tiles::kColumns;
  const int64_t k_pad = tile_depth(a.scales.k);
  const int chunks = static_cast<int>(k_pad / kTileDepth);
  char* const shared = shared_memory();

  const auto start_copy = [&](int chunk) {  // a group a chunk, as in linear_int8_mma
    if (chunk < chunks) {
      char* const stage = shared + chunk % kStages * Tiles::kStageBytes;
      copy_tiles<Tiles::kThreads, 1>(stage, a.w, column0, chunk, a.n_pad, k_pad);
      copy_tiles<Tiles::kThreads, 1>(stage + kTileBytes, a.x, 0, chunk, a.rows, k_pad);
    }
    copy_async_commit();
  };

  const int w_row = w_row0 + lane % 16, w_piece = lane / 16;
  const int x_row = lane / 16 * 8 + lane % 8, x_piece = lane / 8 % 2;
  int32_t acc[kWidths][4] = {};
  for (int chunk = 0; chunk < kStages - 1; ++chunk) start_copy(chunk);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    copy_async_wait<kStages - 2>();
    sync_block();
    start_copy(chunk + kStages - 1);
    const char* const w = shared + chunk % kStages * Tiles::kStageBytes;
    const char* const x = w + kTileBytes;
    VQT_UNROLL
    for (int i = 0; i < kTileDepth / 32 / Tiles::kHalves; ++i) {
      const int step = half * (kTileDepth / 32 / Tiles::kHalves) + i;
      uint32_t left[4];
      load_matrices(left, w + w_row * kTileDepth + ((2 * step + w_piece) ^ w_row % 8) * 16);
      VQT_UNROLL
      for (int j = 0; j < kWidths; j += 2) {
        uint32_t right[4];
        load_matrices(right, x + (x_row + 8 * j) * kTileDepth + ((2 * step + x_piece) ^ x_row % 8) * 16);
        mma_s8u8(acc[j], left, right[0], right[1]);
        mma_s8u8(acc[j + 1], left, right[2], right[3]);
      }
    }
  }
  copy_async_wait<0>();
  sync_block();  // all have read the last stage

  // A thread holds rows 8 j + 2 (lane % 4) + 0, 1 of x and rows lane / 4 + 0, 8 of its warp's 16 of W.
  int32_t* const sums_of = reinterpret_cast<int32_t*>(shared);
  VQT_UNROLL
  for (int j = 0; j < kWidths; ++j) {
    VQT_UNROLL
    for (int e = 0; e < 4; ++e) {
      const int row = half * Tiles::kRows + 8 * j + lane % 4 * 2 + e % 2;
      const int column = tile_row_of(w_row0 + lane / 4 + e / 2 * 8);
      store_shared(sums_of + row * Tiles::kSumStride + column, acc[j][e]);
    }
  }
  sync_block();

  // A warp finishes 32 columns, 8 rows at a time; every other warp has the same columns.
  ColumnRun columns;
  const int first = warp % 2 * 32 + lane % 4 * 8;
  if (!load_columns(a.scales, a.out, column0 + first, columns)) return;
  for (int row = warp / 2 * 8 + lane / 4; row < a.rows; row += Tiles::kThreads / 64 * 8) {
    int32_t sums[8];
    VQT_UNROLL
    for (int c = 0; c < 8; ++c) {
      const int32_t* const at = sums_of + row * Tiles::kSumStride + first + c;
      sums[c] =
          static_cast<int32_t>(static_cast<uint32_t>(load_shared(at)) +
                               static_cast<uint32_t>(load_shared(at + Tiles::kRows * Tiles::kSumStride)));
    }
    finish8(Result(), a.scales, a.out, a.rows, row, columns, sums);
  }
}

}  // namespace vqt::cuda
