#include "vqt/packing.h"

#include <algorithm>

#include "cpu/layout/packed_weight.h"

namespace vqt {
namespace {

// Of |(x - x_zero) * (w - w_zero)|. x is u8; 8-bit weights are s8 without a zero point, or u8 with one.
int64_t largest_product(const Scheme& scheme) {
  const int64_t weight = scheme.bits == 4 ? 15 : scheme.symmetric ? 128 : 255;
  return 255 * weight;
}

}  // namespace

bool has_fast_layout(int64_t k, const Scheme& scheme) {
  return cpu::fast_layout(k, scheme) != cpu::Layout::kCanonical;
}

int64_t packed_bytes(int64_t n, int64_t k, const Scheme& scheme, bool fast) {
  const cpu::Layout layout = fast ? cpu::fast_layout(k, scheme) : cpu::Layout::kCanonical;
  const int64_t total = cpu::sections(cpu::make_header(n, k, scheme, layout)).total;
  return n * ((total + n - 1) / n);  // a tensor [n, bytes per row]
}

SumDepth sum_depth(int64_t k, const Scheme& scheme, bool fast, ActivationMode activation) {
  SumDepth d;
  d.depth = scheme.bits == 4 && scheme.group_size > 0 ? std::min(scheme.group_size, k) : k;
  // The reference kernel sums in int64, float activations are summed in float32.
  const bool int32_sums = fast && activation != ActivationMode::kNone;
  d.limit = int32_sums ? INT32_MAX / largest_product(scheme) : INT64_MAX;
  return d;
}

}  // namespace vqt
