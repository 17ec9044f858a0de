// y = x W^T + b on a GPU for u8 rows of x and s8 weights, both in tiles (cpu/layout/cuda_tiles.h), and the launches of its
// kernels: for code that knows neither CUDA's headers nor the kernels. The formula and its bits: cuda/gemm/epilogue.h.
#pragma once

#include <cstdint>

#include "cuda/gemm/epilogue.h"
#include "cuda/linear/linear_plan.h"

namespace vqt::cuda {

enum class LinearResult : uint8_t { kFloat32, kBFloat16, kUInt8 };  // the type of y

struct LinearInt8 {
  int64_t rows = 0;            // of x, at least 1
  const uint8_t* x = nullptr;  // tiles [rows][tile_depth(k)]
  const int8_t* w = nullptr;   // tiles [n_pad][tile_depth(k)], the rows of a packed weight (kCudaInt8)
  int64_t n_pad = 0;
  SumScales scales;  // k too
  Epilogue out;      // columns: at least 1
};

// Each starts a kernel on a stream (cudaStream_t) of the current device. Null where it was started, else what is wrong.
const char* launch_linear_int8(const LinearInt8& a, LinearResult result, const LinearPlan& plan,
                               const Device& device, void* stream);
const char* launch_linear_int8_mma(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                   void* stream);
// At most as many rows as the tiles have.
const char* launch_linear_int8_small_m(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                       void* stream);
// Blocks are persistent: `processors` of them, or as many as there are tiles.
const char* launch_linear_int8_wgmma(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                     int processors, void* stream);

}  // namespace vqt::cuda
