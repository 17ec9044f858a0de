// How torch's pointwise ops broadcast and promote, for ops that take in such an op: sizes may be symbolic, and no
// data is read.
#pragma once

#include <ATen/core/Tensor.h>

namespace vqt {

// Broadcasts sizes with another tensor's. False where torch would refuse; sizes are as they were then.
bool broadcast(c10::SymDimVector& sizes, c10::SymIntArrayRef other);

// The dtype of a pointwise op on a tensor of this dtype that has dimensions, and another operand.
at::ScalarType promoted_dtype(at::ScalarType dtype, const at::Tensor& other);

}  // namespace vqt
