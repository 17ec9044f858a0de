// y = x W^T + b in float32 with a weight that is only ever float a block of rows at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

namespace vqt {

// Writes rows [begin, end) of the weight as float32 [end - begin][k]. Called from several threads at once.
using DequantizeRows = std::function<void(int64_t begin, int64_t end, float* out)>;

// x: float [..., k] of any dtype; the result has x's dtype and row_end - row_begin columns. bias: float, or
// null.
at::Tensor weight_only_linear(const at::Tensor& x, int64_t row_begin, int64_t row_end,
                              const DequantizeRows& dequantize_rows, const std::optional<at::Tensor>& bias);

}  // namespace vqt
