// Statistics of a weight without a temporary of its size: weights have up to a billion values.
#pragma once

#include <ATen/core/Tensor.h>

namespace vqt {

// Is no value NaN or Inf? w: float32, contiguous.
bool all_finite(const at::Tensor& w);

// 10 log10(sum a^2 / sum (a - b)^2), inf when equal; differences in float32, sums in double, in an order that
// does not depend on the number of threads. Any float dtype.
double sqnr_db(const at::Tensor& a, const at::Tensor& b);

}  // namespace vqt
