// Copies of tiles to shared memory by cp.async.
#pragma once

#include "cuda/gemm/finish8.h"
#include "cuda/linear/tile_place.h"

namespace vqt::cuda {

// Starts the copy of `count` tiles from a row on, of one chunk; those beyond the matrix are left out, and what was in
// shared memory in their place is multiplied into sums that nobody stores.
template <int threads, int count>
VQT_DEVICE void copy_tiles(char* shared, const void* matrix, int64_t row, int64_t chunk, int64_t rows,
                           int64_t k_pad) {
  VQT_UNROLL
  for (int t = 0; t < count; ++t, row += kTileRows) {
    if (row >= rows) return;
    const char* const tile = static_cast<const char*>(matrix) + tile_offset(row, chunk, rows, k_pad);
    const int bytes = tile_height(row, rows) * kTileDepth;
    VQT_UNROLL
    for (int first = 0; first < kTileBytes; first += threads * 16) {
      const int at = first + thread_index() * 16;
      if (at < bytes) copy_async(shared + t * kTileBytes + at, tile + at);
    }
  }
}

}  // namespace vqt::cuda
