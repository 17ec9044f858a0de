// Which kernel computes y = x W^T on a GPU, in tiles of which size: a pure function of the sizes and the device, on
// any machine, printed by VQT_PRINT_PLAN=1 as the CPU's plans are. No result depends on it: k is never cut.
#pragma once

#include <cstdint>
#include <string>

namespace vqt::cuda {

struct Device {
  int capability = 90;        // 10 * major + minor; at least 80
  int processors = 132;       // streaming multiprocessors
  int shared_bytes = 232448;  // that one block may have
};

enum class LinearKernel : uint8_t { kMma, kSmallM, kWgmma };

// What a block computes at a time and how it is launched.
struct LinearTiles {
  LinearKernel kernel = LinearKernel::kMma;
  int rows = 0, columns = 0;  // of y
  int stages = 0;             // chunks of 128 k's on their way at a time
};

struct LinearPlan {
  int64_t rows = 0, columns = 0, k = 0;
  LinearTiles tiles;
  int64_t blocks = 0;     // tiles of y
  int64_t waves = 0;      // times that every processor computes one
  double efficiency = 0;  // of the tensor cores' peak, predicted
};

// Shared memory of a block: stages, each with two barriers where bulk copies fill it.
constexpr int shared_bytes(const LinearTiles& t) {
  return t.stages * ((t.rows + t.columns) * 128 + (t.kernel == LinearKernel::kWgmma ? 16 : 0));
}

// rows of x, columns of y, k: at least 1.
LinearPlan plan_linear(int64_t rows, int64_t columns, int64_t k, const Device& device = {});

// "1374 x 1024 -> 4096: linear_int8_wgmma 128 x 256, 4 stages: 176 blocks, 2 waves, 57 % of the tensor cores"
std::string to_string(const LinearPlan& plan);

}  // namespace vqt::cuda
