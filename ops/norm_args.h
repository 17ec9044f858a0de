// Weight and bias of a LayerNorm over the last dimension of x, for layer_norm_quantize and rotary.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "cpu/norm/row_norm.h"

namespace vqt {

// parameter: [last size of x]. name: x's in the error.
void check_norm_size(std::string_view op, std::string_view argument, const at::Tensor& parameter,
                     const at::Tensor& x, std::string_view name = "x");
// Absent, or float [last size of x].
void check_norm_parameter(std::string_view op, std::string_view argument,
                          const std::optional<at::Tensor>& parameter, const at::Tensor& x);

// As float32. Owns what row() points to.
class NormParameters {
 public:
  NormParameters(const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias, double eps);
  cpu::RowNorm row() const;

 private:
  at::Tensor weight_, bias_;
  double eps_;
};

}  // namespace vqt
