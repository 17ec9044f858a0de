// What a scheme means for a packed weight, without packing one: its kernel, its size, the depth of its sums.
// Torch-free; vqt/ops.h packs.
#pragma once

#include <cstdint>

#include "vqt/scheme.h"

namespace vqt {

// Of the format of packed weights. Weights whose group size does not divide K have version 2; in version 1, which
// is still read, their groups ran on from row to row.
constexpr uint16_t kPackedVersion = 1, kPackedVersionShortGroups = 2;

// Whether the CPU's fast kernels run a weight of k columns with this scheme; the reference kernel runs others.
bool has_fast_layout(int64_t k, const Scheme& scheme);

// Bytes of the tensor that pack_weight returns. fast: in the layout of the fast kernels, else canonical.
int64_t packed_bytes(int64_t n, int64_t k, const Scheme& scheme, bool fast);

// The fast kernels sum the products of activations and weights in int32.
struct SumDepth {
  int64_t depth = 0;  // products in one sum: a group's with 4 bits, a row's with 8
  int64_t limit =
      0;  // the most that cannot overflow, whatever the values; INT64_MAX where no int32 is summed

  bool exact() const { return depth <= limit; }
};
SumDepth sum_depth(int64_t k, const Scheme& scheme, bool fast, ActivationMode activation);

}  // namespace vqt
