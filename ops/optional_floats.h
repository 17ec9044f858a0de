// An optional argument as a kernel reads it: dense float32, or null where absent. The tensor owns the data.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "ops/check.h"

namespace vqt {

// Is this an operand that as_floats hands to a kernel without a change of its values? Its sizes are another
// question.
inline bool kernel_reads(const at::Tensor& operand) {
  return is_kernel_dtype(operand.scalar_type()) && operand.layout() == at::kStrided && operand.is_cpu();
}
inline bool kernel_reads(const std::optional<at::Tensor>& operand) {
  return !operand.has_value() || kernel_reads(*operand);
}

inline at::Tensor as_floats(const std::optional<at::Tensor>& argument) {
  return argument.has_value() ? argument->to(at::kFloat).contiguous() : at::Tensor();
}

inline const float* data_or_null(const at::Tensor& floats) {
  return floats.defined() ? floats.const_data_ptr<float>() : nullptr;
}

}  // namespace vqt
