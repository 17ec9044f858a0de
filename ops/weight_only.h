// y = x W^T + b in float32. The weight is converted to float one block at a time: a panel in our own kernel
// (cpu/linear/weight_only_kernel.h); where there is none, up to 4 MB of rows for torch's product.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "ops/check.h"
#include "ops/pack_weight.h"

namespace vqt {

// x: [..., k] of any float dtype; the result has x's dtype and rows.size() columns. rows: of the weight.
// bias: of any float dtype, or absent.
at::Tensor weight_only_linear(const at::Tensor& x, const PackedBlock& weight, RowSlice rows,
                              const std::optional<at::Tensor>& bias);

// weight: int16 [n, k]; scale: [1] or [n].
at::Tensor weight_only_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                              RowSlice rows, const std::optional<at::Tensor>& bias);

}  // namespace vqt
