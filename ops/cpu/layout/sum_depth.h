// How deep the int32 sums of an integer linear are, and how deep they may be.
#pragma once

#include <cstdint>

#include "cpu/layout/packed_weight.h"

namespace vqt::cpu {

struct SumDepth {
  int64_t depth = 0;  // products in one sum: a group's with 4 bits, a row's with 8
  int64_t limit =
      0;  // the most that cannot overflow, whatever the values; INT64_MAX where no int32 is summed

  bool exact() const { return depth <= limit; }
};

// Of a linear with k columns, a weight in this layout (packed_weight.h) and this activation mode.
SumDepth sum_depth(int64_t k, const Scheme& scheme, Layout layout, ActivationMode activation);

}  // namespace vqt::cpu
