#include "cuda/linear/linear_plan.h"

#include <algorithm>
#include <cmath>

namespace vqt::cuda {
namespace {

constexpr LinearTiles kCandidates[] = {
    {LinearKernel::kWgmma, 128, 256, 4}, {LinearKernel::kWgmma, 128, 128, 6},
    {LinearKernel::kMma, 128, 128, 3},   {LinearKernel::kMma, 64, 64, 4},
    {LinearKernel::kSmallM, 64, 64, 4},  {LinearKernel::kSmallM, 16, 64, 6},
};

// Few rows have a kernel of their own, which takes all of them at a time; no other takes so few.
constexpr int64_t kMostRowsSmallM = 64;

bool applies(const LinearTiles& t, int64_t rows, const Device& device) {
  if (shared_bytes(t) > device.shared_bytes) return false;
  if (t.kernel == LinearKernel::kWgmma && device.capability != 90) return false;
  return rows <= kMostRowsSmallM ? t.kernel == LinearKernel::kSmallM && rows <= t.rows
                                 : t.kernel != LinearKernel::kSmallM;
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Multiply-adds of 8 bits that the tensor cores of one processor finish in a cycle, at most.
double peak(const Device& device) {
  return device.capability == 90 ? 4096 : device.capability == 80 ? 2048 : 1024;
}

// Predicted cycles of a block, from data sheets: to be replaced by what a GPU says.
double block_cycles(const LinearTiles& t, int64_t k, const Device& device) {
  constexpr double kMmaOnHopper = 0.62;  // of the peak, which wgmma alone reaches
  constexpr double kStart = 600, kStoredPerCycle = 16, kSharedBytesPerCycle = 128;
  const auto depth = static_cast<double>(divide_up(k, 128) * 128);
  const double area = static_cast<double>(t.rows) * t.columns, edge = t.rows + t.columns;
  const bool wgmma = t.kernel == LinearKernel::kWgmma;
  const double part = device.capability == 90 && !wgmma ? kMmaOnHopper : 1;
  const double products = area * depth / (peak(device) * part);
  // Bytes of shared memory for each k: tiles come in once. wgmma reads x once and W for every 64 rows; a warp of
  // mma reads 32 rows of x and 64 of W for 32 x 64 of y.
  const double reads = wgmma ? t.rows + area / 64 : area / (32 * 64) * (32 + 64);
  const double shared = depth * (edge + reads) / kSharedBytesPerCycle;
  return std::max(products, shared) + kStart + area / kStoredPerCycle;
}

const char* name_of(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kMma:
      return "linear_int8_mma";
    case LinearKernel::kSmallM:
      return "linear_int8_small_m";
    case LinearKernel::kWgmma:
      return "linear_int8_wgmma";
  }
  return "";
}

}  // namespace

LinearPlan plan_linear(int64_t rows, int64_t columns, int64_t k, const Device& device) {
  LinearPlan best;
  double least = 0;
  for (const LinearTiles& t : kCandidates) {
    if (!applies(t, rows, device)) continue;
    LinearPlan plan = {rows, columns, k, t};
    plan.blocks = divide_up(rows, t.rows) * divide_up(columns, t.columns);
    plan.waves = divide_up(plan.blocks, device.processors);
    const double cycles = static_cast<double>(plan.waves) * block_cycles(t, k, device);
    if (least != 0 && cycles >= least) continue;
    least = cycles;
    const double products = static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(k);
    plan.efficiency = products / peak(device) / device.processors / cycles;
    best = plan;
  }
  return best;
}

std::string to_string(const LinearPlan& p) {
  const auto text = [](int64_t value) { return std::to_string(value); };
  return text(p.rows) + " x " + text(p.k) + " -> " + text(p.columns) + ": " + name_of(p.tiles.kernel) + " " +
         text(p.tiles.rows) + " x " + text(p.tiles.columns) + ", " + text(p.tiles.stages) +
         " stages: " + text(p.blocks) + (p.blocks == 1 ? " block, " : " blocks, ") + text(p.waves) +
         (p.waves == 1 ? " wave, " : " waves, ") + text(std::lround(100 * p.efficiency)) +
         " % of the tensor cores";
}

}  // namespace vqt::cuda
