// What the launches of linears share, for .cu files.
#pragma once

#include <algorithm>

#include "cuda/linear/tile_place.h"

namespace vqt::cuda {

template <class Tiles>
bool is_for(const LinearTiles& t) {
  return t.rows == Tiles::kRows && t.columns == Tiles::kColumns && t.stages == Tiles::kStages;
}

template <class Tiles>
const char* launch(void (*kernel)(LinearInt8), const LinearInt8& a, int most_blocks, void* stream) {
  const int blocks = blocks_of_rows(a, Tiles::kRows) * blocks_of_columns(a, Tiles::kColumns);
  cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tiles::kSharedBytes);
  if (error == cudaSuccess) {
    kernel<<<std::min(blocks, most_blocks), Tiles::kThreads, Tiles::kSharedBytes,
             static_cast<cudaStream_t>(stream)>>>(a);
    error = cudaGetLastError();
  }
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace vqt::cuda
