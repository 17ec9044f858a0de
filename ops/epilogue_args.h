// What an op does to its product before it is stored (cpu/gemm/epilogue.h). Every schema that does it has the
// same arguments: post_op, gamma, residual, dtype, y_scale, y_zero_point, y_symmetric.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "cpu/gemm/epilogue.h"
#include "ops/activation_args.h"

namespace vqt {

// As the schema has them.
struct EpilogueSchemaArgs {
  std::string_view post_op = "none";
  std::optional<at::Tensor> gamma, residual;
  std::optional<at::ScalarType> dtype;
  double y_scale = 0.0;
  int64_t y_zero_point = 0;
  bool y_symmetric = false;
};

// Checked.
struct EpilogueArgs {
  cpu::PostOp post_op = cpu::PostOp::kNone;
  std::optional<at::Tensor> gamma, residual;  // broadcast with the product; of any dtype
  std::optional<ActivationArgs> quantized_y;  // static
  at::ScalarType dtype = at::kFloat;          // of the result; uint8 with quantized_y
  c10::SymDimVector sizes;                    // of the result

  // Whether it leaves the product as it is, but for its dtype.
  bool is_identity() const {
    return post_op == cpu::PostOp::kNone && !gamma.has_value() && !residual.has_value() &&
           !quantized_y.has_value();
  }
};

// x: the op's input, float or a quantized activation. sizes: the product's, the number of columns last. Sizes
// may be symbolic; no data is read. The result's sizes and dtype are those of torch's mul and add.
EpilogueArgs check_epilogue_args(std::string_view op, const at::Tensor& x, c10::SymDimVector sizes,
                                 const EpilogueSchemaArgs& args);

}  // namespace vqt
