// The arguments that linear_int8 and linear_int4 share: what is legal, and the shape and dtype that come out.
// Sizes may be symbolic; no data is read.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "ops/activation_args.h"
#include "ops/check.h"
#include "ops/epilogue_args.h"

namespace vqt {

// As the schema has them.
struct LinearSchemaArgs {
  at::Tensor x, weight;
  std::optional<at::Tensor> bias, scale, zero_point;
  int64_t group_size = 0;  // linear_int4 only
  ActivationSchemaArgs activation;
  int64_t row_begin = 0, row_end = -1;
  EpilogueSchemaArgs epilogue;
};

// Kernels for the two schemas, which differ by group_size alone; kLinear gets the arguments by name.
using LinearFn = at::Tensor (*)(const LinearSchemaArgs& args);

template <LinearFn kLinear>
at::Tensor linear_with_groups(const at::Tensor& x, const at::Tensor& weight,
                              const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& scale,
                              const std::optional<at::Tensor>& zero_point, int64_t group_size,
                              std::string_view activation, bool activation_symmetric, double x_scale,
                              int64_t x_zero_point, int64_t row_begin, int64_t row_end,
                              std::string_view post_op, const std::optional<at::Tensor>& gamma,
                              const std::optional<at::Tensor>& residual, std::optional<at::ScalarType> dtype,
                              double y_scale, int64_t y_zero_point, bool y_symmetric) {
  LinearSchemaArgs args;
  args.x = x;
  args.weight = weight;
  args.bias = bias;
  args.scale = scale;
  args.zero_point = zero_point;
  args.group_size = group_size;
  args.activation.activation = activation;
  args.activation.symmetric = activation_symmetric;
  args.activation.x_scale = x_scale;
  args.activation.x_zero_point = x_zero_point;
  args.row_begin = row_begin;
  args.row_end = row_end;
  args.epilogue.post_op = post_op;
  args.epilogue.gamma = gamma;
  args.epilogue.residual = residual;
  args.epilogue.dtype = dtype;
  args.epilogue.y_scale = y_scale;
  args.epilogue.y_zero_point = y_zero_point;
  args.epilogue.y_symmetric = y_symmetric;
  return kLinear(args);
}

template <LinearFn kLinear>
at::Tensor linear_without_groups(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    const std::optional<at::Tensor>& scale, const std::optional<at::Tensor>& zero_point,
    std::string_view activation, bool activation_symmetric, double x_scale, int64_t x_zero_point,
    int64_t row_begin, int64_t row_end, std::string_view post_op, const std::optional<at::Tensor>& gamma,
    const std::optional<at::Tensor>& residual, std::optional<at::ScalarType> dtype, double y_scale,
    int64_t y_zero_point, bool y_symmetric) {
  return linear_with_groups<kLinear>(x, weight, bias, scale, zero_point, 0, activation, activation_symmetric,
                                     x_scale, x_zero_point, row_begin, row_end, post_op, gamma, residual,
                                     dtype, y_scale, y_zero_point, y_symmetric);
}

// Checked, but for x's last size and what only the data of a packed weight says.
struct LinearInputs {
  bool quantized_x = false;  // x is a quantized activation (quantize_activation.h)
  ActivationArgs activation;
  RowSlice rows;                   // of the weight, columns of the product
  std::optional<at::Tensor> bias;  // [rows.size()]
  EpilogueArgs epilogue;
};
// n: rows of the weight.
LinearInputs check_linear(std::string_view op, int64_t n, const LinearSchemaArgs& args);

// The result without data. weight: [rows, anything].
at::Tensor linear_meta(std::string_view op, const LinearSchemaArgs& args);

}  // namespace vqt
