// Heads of a tensor as kernels read them in place.
#pragma once

#include <ATen/core/Tensor.h>

#include "cpu/head_rows.h"

namespace vqt {

// float32 [batch, heads, T, D] with contiguous rows: a view of x [..., T, D] where possible.
at::Tensor as_heads(const at::Tensor& x);
// x [..., T, D] with the leading sizes of a result [..., M, D'].
at::Tensor expand_heads(const at::Tensor& x, c10::IntArrayRef result);
// heads: of as_heads, which must outlive the result.
cpu::HeadRows head_rows(const at::Tensor& heads);

}  // namespace vqt
