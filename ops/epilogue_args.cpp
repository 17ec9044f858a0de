#include "ops/epilogue_args.h"

#include <c10/core/ScalarType.h>

#include <sstream>
#include <string>
#include <utility>

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
  if (result != at::kFloat && result != at::kBFloat16 && result != at::kHalf) {
    fail_type(op, "dtype", "float32, bfloat16 or float16", describe(result));
  }
  return result;
}

void check_gamma(std::string_view op, const std::optional<at::Tensor>& gamma, const c10::SymInt& columns) {
  if (!gamma.has_value()) return;
  check_float(op, "gamma", *gamma);
  if (gamma->dim() == 1 && gamma->sym_size(0) == columns) return;
  std::ostringstream expected;
  expected << "[" << columns << "], one number for each column of the result";
  fail_value(op, "gamma", expected.str(), describe(*gamma));
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
  checked.dtype = at::kByte;
  checked.sizes.back() = activation_bytes(checked.sizes.back());
}

// Broadcasts the result's sizes with the residual's, and promotes its dtype.
void check_residual(std::string_view op, const std::optional<at::Tensor>& residual, EpilogueArgs& checked) {
  if (!residual.has_value()) return;
  const at::ScalarType dtype = residual->scalar_type();
  if (dtype != at::kFloat && dtype != at::kDouble && dtype != at::kBFloat16 && dtype != at::kHalf) {
    fail_type(op, "residual", "a floating dtype", describe(*residual));
  }
  if (checked.quantized_y) fail_value(op, "residual", "None with y_scale", describe(*residual));
  const c10::SymIntArrayRef other = residual->sym_sizes();
  c10::SymDimVector sizes(checked.sizes);
  if (other.size() > sizes.size()) sizes.insert(sizes.begin(), other.size() - sizes.size(), c10::SymInt(1));
  for (size_t i = 1; i <= other.size(); ++i) {
    c10::SymInt& size = sizes[sizes.size() - i];
    const c10::SymInt& theirs = other[other.size() - i];
    if (size == theirs || theirs == 1) continue;
    if (size != 1) {
      std::ostringstream expected;
      expected << "sizes that broadcast with the result's " << c10::SymIntArrayRef(checked.sizes);
      fail_value(op, "residual", expected.str(), describe(*residual));
    }
    size = theirs;
  }
  checked.sizes = std::move(sizes);
  checked.dtype = c10::promoteTypes(checked.dtype, dtype);
}

}  // namespace

EpilogueArgs check_epilogue_args(std::string_view op, const at::Tensor& x, c10::SymDimVector sizes,
                                 const EpilogueSchemaArgs& args) {
  EpilogueArgs checked;
  checked.dtype = check_dtype(op, x, args.dtype);
  checked.post_op = check_post_op(op, args.post_op);
  check_gamma(op, args.gamma, sizes.back());
  checked.gamma = args.gamma;
  checked.sizes = std::move(sizes);
  check_quantized_y(op, args, checked);
  check_residual(op, args.residual, checked);
  checked.residual = args.residual;
  return checked;
}

}  // namespace vqt
