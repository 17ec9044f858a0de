// An optional argument as a kernel reads it: dense float32, or null where absent. The tensor owns the data.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace vqt {

inline at::Tensor as_floats(const std::optional<at::Tensor>& argument) {
  return argument.has_value() ? argument->to(at::kFloat).contiguous() : at::Tensor();
}

inline const float* data_or_null(const at::Tensor& floats) {
  return floats.defined() ? floats.const_data_ptr<float>() : nullptr;
}

}  // namespace vqt
