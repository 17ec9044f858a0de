// linear_int8 by wgmma, for compute capability 9.0 (sm_90a). Blocks are persistent: block b computes tiles b, b + grid,
// b + 2 grid, ... of y. One thread brings chunks of 128 k's by bulk copies into a ring of stages; two warpgroups, of 64
// rows each, multiply. So the first chunks of a block's next tile come while it still stores the last one.
//
//   full[s]    completes when the bytes of stage s have come
//   empty[s]   completes when all warps that multiply are done with stage s
#pragma once

#include "cuda/gemm/finish8.h"
#include "cuda/linear/tile_place.h"

namespace vqt::cuda {

template <int block_columns, int stages>
struct WgmmaTiles {
  static constexpr int kRows = 2 * kTileRows, kColumns = block_columns, kStages = stages;
  static constexpr int kThreads = 3 * 128, kWarps = 8;  // a warpgroup that copies; warps that multiply
  static constexpr int kStageBytes = (kRows + kColumns) * kTileDepth;
  static constexpr int kSharedBytes = kStages * (kStageBytes + 2 * 8);
};

// Bulk copies of the tiles of one chunk from a row on, as many as the matrix has. Copies nothing where `barrier` is
// null. Returns the bytes.
template <int count>
VQT_DEVICE uint32_t bulk_copy_tiles(char* shared, const void* matrix, int64_t row, int64_t chunk,
                                    int64_t rows, int64_t k_pad, uint64_t* barrier) {
  uint32_t bytes = 0;
  for (int t = 0; t < count && row < rows; ++t, row += kTileRows) {
    const uint32_t tile_bytes = tile_height(row, rows) * kTileDepth;
    if (barrier != nullptr) {
      const char* const tile = static_cast<const char*>(matrix) + tile_offset(row, chunk, rows, k_pad);
      bulk_copy(shared + t * kTileBytes, tile, tile_bytes, barrier);
    }
    bytes += tile_bytes;
  }
  return bytes;
}

template <class Tiles, class Result>
VQT_KERNEL void VQT_BOUNDS(Tiles::kThreads, 1) linear_int8_wgmma(const LinearInt8 a) {
  constexpr int kStages = Tiles::kStages;
  char* const shared = shared_memory();
  uint64_t* const full = reinterpret_cast<uint64_t*>(shared + kStages * Tiles::kStageBytes);
  uint64_t* const empty = full + kStages;
  const int row_blocks = blocks_of_rows(a, Tiles::kRows),
            column_blocks = blocks_of_columns(a, Tiles::kColumns);
  const int tiles = row_blocks * column_blocks;
  const int64_t k_pad = tile_depth(a.scales.k);
  const int chunks = static_cast<int>(k_pad / kTileDepth);

  if (thread_index() == 0) {
    for (int s = 0; s < kStages; ++s) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, Tiles::kWarps);
    }
    barrier_init_done();
  }
  sync_block();

  // Steps count chunks over all tiles of the block: step i uses stage i % kStages for the (i / kStages)th time.
  int step = 0;
  const int group = thread_index() / 128;
  if (group == 0) {
    shrink_registers<40>();
    if (thread_index() != 0) return;
    for (int tile = block_index(); tile < tiles; tile += grid_size()) {
      const TilePlace place = tile_place(tile, row_blocks, column_blocks);
      const int64_t row0 = int64_t{place.row} * Tiles::kRows;
      const int64_t column0 = first_tile_column(a) + int64_t{place.column} * Tiles::kColumns;
      for (int chunk = 0; chunk < chunks; ++chunk, ++step) {
        const int s = step % kStages;
        char* const stage = shared + s * Tiles::kStageBytes;
        const auto copy = [&](uint64_t* barrier) {
          return bulk_copy_tiles<Tiles::kRows / kTileRows>(stage, a.x, row0, chunk, a.rows, k_pad, barrier) +
                 bulk_copy_tiles<Tiles::kColumns / kTileRows>(stage + Tiles::kRows * kTileDepth, a.w, column0,
                                                              chunk, a.n_pad, k_pad, barrier);
        };
        barrier_wait(empty + s,
                     (step / kStages + 1) % 2);  // at once in the first round: no phase is over yet
        barrier_expect(full + s, copy(nullptr));
        copy(full + s);
      }
    }
    return;
  }

  grow_registers<232>();
  const int lane = thread_index() % 32, warp = thread_index() / 32 % 4;
  const auto release = [&](int done) {  // the stage of a step whose products are over
    if (lane == 0) barrier_arrive(empty + done % kStages);
  };
  int32_t acc[Tiles::kColumns / 2];  // 64 rows x kColumns of 128 threads
  for (int tile = block_index(); tile < tiles; tile += grid_size()) {
    for (int chunk = 0; chunk < chunks; ++chunk, ++step) {
      const char* const stage = shared + step % kStages * Tiles::kStageBytes;
      barrier_wait(full + step % kStages, step / kStages % 2);
      const uint64_t x = wgmma_operand(stage + (group - 1) * kTileBytes);
      const uint64_t w = wgmma_operand(stage + Tiles::kRows * kTileDepth);
      wgmma_fence();
      VQT_UNROLL
      for (int k = 0; k < kTileDepth / 32; ++k)  // a descriptor counts addresses in pieces of 16 bytes
        wgmma_u8s8(acc, x + 2 * k, w + 2 * k, chunk != 0 || k != 0);
      wgmma_commit();
      if (chunk == 0) continue;
      wgmma_wait<1>();
      release(step - 1);
    }
    wgmma_wait<0>();
    release(step - 1);

    const TilePlace place = tile_place(tile, row_blocks, column_blocks);
    const int64_t row = int64_t{place.row} * Tiles::kRows + (group - 1) * 64 + warp * 16 + lane / 4;
    const int64_t column0 = first_tile_column(a) + int64_t{place.column} * Tiles::kColumns;
    VQT_UNROLL
    for (int run = 0; run < Tiles::kColumns / 32; ++run) {
      ColumnRun columns;
      if (!load_columns(a.scales, a.out, column0 + run * 32 + lane % 4 * 8, columns)) continue;
      VQT_UNROLL
      for (int lower = 0; lower < 2; ++lower) {
        int32_t sums[8];
        VQT_UNROLL
        for (int c = 0; c < 8; ++c) sums[c] = acc[run * 16 + c / 2 * 4 + lower * 2 + c % 2];
        finish8(Result(), a.scales, a.out, a.rows, row + lower * 8, columns, sums);
      }
    }
  }
}

}  // namespace vqt::cuda
