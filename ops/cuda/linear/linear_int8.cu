#include "cuda/linear/linear_int8.h"

namespace vqt::cuda {

const char* launch_linear_int8(const LinearInt8& a, LinearResult result, const LinearPlan& plan,
                               const Device& device, void* stream) {
  switch (plan.tiles.kernel) {
    case LinearKernel::kMma:
      return launch_linear_int8_mma(a, result, plan.tiles, stream);
    case LinearKernel::kSmallM:
      return launch_linear_int8_small_m(a, result, plan.tiles, stream);
    case LinearKernel::kWgmma:
      return launch_linear_int8_wgmma(a, result, plan.tiles, device.processors, stream);
  }
  return "the plan names no kernel";
}

}  // namespace vqt::cuda
