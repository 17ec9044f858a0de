// The arguments that linear_int8 and linear_int4 share: what is legal, and the shape and dtype that come out.
// Sizes may be symbolic; no data is read.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "cpu/gemm/epilogue.h"
#include "ops/check.h"

namespace vqt {

struct ActivationArgs {
  ActivationMode mode = ActivationMode::kDynamic;
  bool symmetric = false;
  float scale = 0.0f;  // static only
  int32_t zero = 0;
};
ActivationArgs check_activation_args(std::string_view op, std::string_view activation, bool symmetric,
                                     double x_scale, int64_t x_zero_point);

// As the schema has them.
struct LinearArgs {
  const std::optional<at::Tensor>& bias;
  std::string_view activation;
  bool activation_symmetric;
  double x_scale;
  int64_t x_zero_point;
  int64_t row_begin, row_end;
  std::string_view post_op;
  const std::optional<at::Tensor>& gamma;
  const std::optional<at::Tensor>& residual;
  std::optional<at::ScalarType> dtype;
  double y_scale;
  int64_t y_zero_point;
  bool y_symmetric;
};

// One call whose arguments are checked, but for x's last size.
struct LinearCase {
  bool quantized_x = false;  // x is a quantized activation (quantize_activation.h)
  ActivationArgs activation;
  RowSlice rows;  // of the weight, columns of the result
  cpu::PostOp post_op = cpu::PostOp::kNone;
  std::optional<ActivationArgs> quantized_y;  // static
  at::ScalarType dtype = at::kFloat;          // of the result, uint8 with quantized_y
  c10::SymDimVector sizes;                    // of the result
};
// n: rows of the weight.
LinearCase check_linear(std::string_view op, const at::Tensor& x, int64_t n, const LinearArgs& args);

}  // namespace vqt
