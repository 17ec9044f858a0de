#include "ops/epilogue_args.h"

#include <sstream>
#include <string>
#include <utility>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/quantize_activation.h"

namespace vqt {
namespace {

cpu::PostOp check_post_op(std::string_view op, std::string_view name) {
  if (name == "none") return cpu::PostOp::kNone;
  if (name == "gelu") return cpu::PostOp::kGelu;
  if (name == "relu") return cpu::PostOp::kRelu;
  fail_value(op, "post_op", "none, gelu or relu", quoted(name));
}

// The result's dtype before a residual or y_scale is considered.
at::ScalarType check_dtype(std::string_view op, const at::Tensor& x, std::optional<at::ScalarType> dtype) {
  if (!is_quantized_activation(x)) {
    if (dtype.has_value()) {
      fail_value(op, "dtype", "None with a float x: the result has the dtype of x", describe(*dtype));
    }
    return x.scalar_type();
  }
  const at::ScalarType result = dtype.value_or(at::kFloat);
  if (!is_kernel_dtype(result)) {
    fail_type(op, "dtype", "float32, bfloat16 or float16", describe(result));
  }
  return result;
}

// Broadcasts the result's sizes with the operand's, and promotes its dtype.
void take_operand(std::string_view op, std::string_view argument, const std::optional<at::Tensor>& operand,
                  EpilogueArgs& checked) {
  if (!operand.has_value()) return;
  if (!broadcast(checked.sizes, operand->sym_sizes())) {
    std::ostringstream expected;
    expected << "sizes that broadcast with the result's " << c10::SymIntArrayRef(checked.sizes);
    fail_value(op, argument, expected.str(), describe(*operand));
  }
  checked.dtype = promoted_dtype(checked.dtype, *operand);
}

void check_quantized_y(std::string_view op, const EpilogueSchemaArgs& args, EpilogueArgs& checked) {
  if (args.y_scale == 0.0) {
    if (args.y_symmetric) fail_value(op, "y_symmetric", "false without y_scale", "true");
    if (args.y_zero_point != 0) {
      fail_value(op, "y_zero_point", "0 without y_scale", std::to_string(args.y_zero_point));
    }
    return;
  }
  checked.quantized_y = check_static_args(op, {"y_scale", "y_zero_point", "y_symmetric", ", or 0"},
                                          args.y_symmetric, args.y_scale, args.y_zero_point);
  if (args.dtype.has_value()) fail_value(op, "dtype", "None with y_scale", describe(*args.dtype));
  if (args.residual.has_value()) fail_value(op, "residual", "None with y_scale", describe(*args.residual));
  if (!is_kernel_dtype(checked.dtype)) {
    fail_type(op, "gamma", "a dtype with which the result is float32, bfloat16 or float16, with y_scale",
              describe(*args.gamma));
  }
  checked.dtype = at::kByte;
  checked.sizes.back() = activation_bytes(checked.sizes.back());
}

}  // namespace

EpilogueArgs check_epilogue_args(std::string_view op, const at::Tensor& x, c10::SymDimVector sizes,
                                 const EpilogueSchemaArgs& args) {
  EpilogueArgs checked;
  checked.dtype = check_dtype(op, x, args.dtype);
  checked.post_op = check_post_op(op, args.post_op);
  checked.gamma = args.gamma;
  checked.residual = args.residual;
  checked.sizes = std::move(sizes);
  take_operand(op, "gamma", args.gamma, checked);
  check_quantized_y(op, args, checked);
  take_operand(op, "residual", args.residual, checked);
  return checked;
}

}  // namespace vqt
