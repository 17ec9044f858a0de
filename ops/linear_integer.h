// What linear_int8 and linear_int4 share: the arguments of activations, quantizing x, the way from checked
// arguments to a kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "check.h"
#include "pack_weight.h"

namespace vqt {

struct ActivationArgs {
  Activation mode = Activation::kDynamic;
  bool symmetric = false;
  float scale = 0.0f;  // static only
  int32_t zero = 0;
};
ActivationArgs check_activation_args(std::string_view op, std::string_view activation, bool symmetric,
                                     double x_scale, int64_t x_zero_point);

// x as u8 rows (cpu/quantize_per_token_kernel.h).
struct QuantizedX {
  int64_t rows = 0, k_pad = 0;
  at::Tensor q, scale, zero, sum;
};

// One call whose arguments are checked and whose x is quantized.
struct LinearCall {
  const PackedBlock& weight;
  const QuantizedX& x;
  RowSlice rows;      // of the weight, columns of y
  const float* bias;  // [rows.size()], or null
  float* y;           // [x.rows][rows.size()]
};
using RunLinear = void (*)(const LinearCall& call);

// weight: packed. run: the kernels for the layout of panels; canonical blocks are computed by the reference.
at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& x, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, const ActivationArgs& activation,
                          int64_t row_begin, int64_t row_end, RunLinear run);

// The result's shape: x's with row_end - row_begin as its last size. Checks rows and bias.
at::Tensor linear_meta(std::string_view op, const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, int64_t row_begin, int64_t row_end);

}  // namespace vqt
