#include "cpu/layout/sum_depth.h"

namespace vqt::cpu {
namespace {

// Of |(x - x_zero) * (w - w_zero)|. x is u8; 8-bit weights are s8 without a zero point, or u8 with one.
int64_t largest_product(const Scheme& scheme) {
  const int64_t weight = scheme.bits == 4 ? 15 : scheme.symmetric ? 128 : 255;
  return 255 * weight;
}

}  // namespace

SumDepth sum_depth(int64_t k, const Scheme& scheme, Layout layout, ActivationMode activation) {
  SumDepth d;
  d.depth = scheme.bits == 4 && scheme.group_size > 0 ? scheme.group_size : k;
  // The kernel for canonical weights sums in int64, float activations in float32.
  const bool int32_sums = layout != Layout::kCanonical && activation != ActivationMode::kNone;
  d.limit = int32_sums ? INT32_MAX / largest_product(scheme) : INT64_MAX;
  return d;
}

}  // namespace vqt::cpu
