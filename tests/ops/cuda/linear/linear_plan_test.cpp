// The choice of tiles, held against tests/data/cuda_linear_plans.txt. A change of the model of costs shows there line by
// line; VQT_WRITE_GOLDEN=1 writes the file anew.
#include "cuda/linear/linear_plan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace vqt::cuda {
namespace {

constexpr Device kH200 = {90, 132, 232448}, kA100 = {80, 108, 166912}, kRtx4090 = {89, 128, 101376};

// The linear layers of VGGT with 1, 2, 8 and 20 frames of 1374 tokens, few rows, and odd sizes.
std::string plans() {
  constexpr int64_t kShapes[][2] = {{1024, 1024}, {1024, 3072}, {1024, 4096}, {4096, 1024},
                                    {2048, 2048}, {2048, 6144}, {2048, 8192}, {8192, 2048}};
  std::string text;
  for (const auto& [name, device] : {std::pair("H200", kH200), {"A100", kA100}, {"RTX 4090", kRtx4090}}) {
    text += std::string(name) + "\n";
    for (const auto& [k, columns] : kShapes) {
      for (const int64_t frames : {1, 2, 8, 20})
        text += to_string(plan_linear(1374 * frames, columns, k, device)) + "\n";
    }
    for (const int64_t rows : {1, 16, 17, 64, 65, 130})
      text += to_string(plan_linear(rows, 4096, 1024, device)) + "\n";
    text += to_string(plan_linear(7, 3, 5, device)) + "\n";
  }
  return text;
}

TEST(CudaLinearPlan, TilesOfEveryShapeAreTheGoldenOnes) {
  const std::string path = VQT_TEST_DATA "/cuda_linear_plans.txt";
  if (std::getenv("VQT_WRITE_GOLDEN") != nullptr) std::ofstream(path) << plans();
  std::stringstream golden;
  golden << std::ifstream(path).rdbuf();
  EXPECT_EQ(plans(), golden.str());
}

TEST(CudaLinearPlan, WgmmaIsForCapability90Alone) {
  EXPECT_EQ(plan_linear(10992, 4096, 1024, kH200).tiles.kernel, LinearKernel::kWgmma);
  for (const int capability : {80, 86, 89, 100, 120}) {
    EXPECT_EQ(plan_linear(10992, 4096, 1024, {capability, 132, 232448}).tiles.kernel, LinearKernel::kMma);
  }
}

TEST(CudaLinearPlan, FewRowsHaveAKernelOfTheirOwn) {
  for (const Device& device : {kH200, kA100, kRtx4090}) {
    for (int64_t rows = 1; rows <= 130; ++rows) {
      const LinearTiles tiles = plan_linear(rows, 4096, 1024, device).tiles;
      ASSERT_EQ(tiles.kernel == LinearKernel::kSmallM, rows <= 64) << rows;
      if (rows <= 64) {
        ASSERT_EQ(tiles.rows, rows <= 16 ? 16 : 64) << rows;
      }
    }
  }
}

TEST(CudaLinearPlan, TilesFitIntoADevicesSharedMemory) {
  EXPECT_LE(shared_bytes(plan_linear(10992, 4096, 1024, kRtx4090).tiles), kRtx4090.shared_bytes);
}

// 132 tiles of 128 x 256 are one wave of an H200; one row of tiles more is a second.
TEST(CudaLinearPlan, BlocksAndWavesAreCounted) {
  const LinearPlan one = plan_linear(128 * 33, 1024, 1024, kH200);
  EXPECT_EQ(one.tiles.columns, 256);
  EXPECT_EQ(one.blocks, 132);
  EXPECT_EQ(one.waves, 1);
  const LinearPlan odd = plan_linear(65, 65, 1, kA100);
  EXPECT_EQ(odd.blocks, ((65 + odd.tiles.rows - 1) / odd.tiles.rows) *
                            ((65 + odd.tiles.columns - 1) / odd.tiles.columns));
}

}  // namespace
}  // namespace vqt::cuda
