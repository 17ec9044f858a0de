#include "ops/linear_args.h"

#include <c10/core/ScalarType.h>

#include <cmath>
#include <string>

#include "ops/quantize_activation.h"

namespace vqt {
namespace {

// "x" or "y": whose scale and zero point they are.
ActivationArgs check_static(std::string_view op, const std::string& of, bool symmetric, double scale,
                            int64_t zero_point, const std::string& where, const std::string& symmetric_name) {
  ActivationArgs args;
  args.mode = ActivationMode::kStatic;
  args.symmetric = symmetric;
  args.scale = static_cast<float>(scale);
  if (!(args.scale > 0.0f && std::isfinite(args.scale))) {
    fail_value(op, of + "_scale", "a positive float32" + where, std::to_string(scale));
  }
  if (zero_point < 0 || zero_point > (symmetric ? 0 : 255)) {
    fail_value(op, of + "_zero_point", symmetric ? "0 with " + symmetric_name : "0 to 255",
               std::to_string(zero_point));
  }
  args.zero = static_cast<int32_t>(zero_point);
  return args;
}

cpu::PostOp check_post_op(std::string_view op, std::string_view name) {
  if (name == "none") return cpu::PostOp::kNone;
  if (name == "gelu") return cpu::PostOp::kGelu;
  if (name == "relu") return cpu::PostOp::kRelu;
  fail_value(op, "post_op", "none, gelu or relu", quoted(name));
}

// x's dtype and what else follows from it.
void check_x_kind(std::string_view op, const at::Tensor& x, const LinearArgs& args, LinearCase& c) {
  if (x.dim() == 0) fail_value(op, "x", "at least 1 dimension", describe(x));
  c.quantized_x = x.scalar_type() == at::kByte;
  if (!c.quantized_x) {
    check_float(op, "x", x);
    if (args.dtype.has_value()) {
      fail_value(op, "dtype", "None with a float x, whose dtype the result has", describe(*args.dtype));
    }
    c.dtype = x.scalar_type();
    return;
  }
  if (args.activation != "dynamic" || args.activation_symmetric) {
    fail_value(op, args.activation_symmetric ? "activation_symmetric" : "activation",
               "its default with a quantized x, which knows its own",
               args.activation_symmetric ? "true" : quoted(args.activation));
  }
  c.dtype = args.dtype.value_or(at::kFloat);
  if (c.dtype != at::kFloat && c.dtype != at::kBFloat16 && c.dtype != at::kHalf) {
    fail_type(op, "dtype", "float32, bfloat16 or float16", describe(c.dtype));
  }
}

void check_gamma(std::string_view op, const std::optional<at::Tensor>& gamma, int64_t rows) {
  if (!gamma.has_value()) return;
  check_float(op, "gamma", *gamma);
  if (gamma->dim() != 1 || gamma->sym_size(0) != rows) {
    fail_value(op, "gamma", "[" + std::to_string(rows) + "], one number for each column of the result",
               describe(*gamma));
  }
}

// Broadcasts sizes with the residual's.
void add_residual(std::string_view op, const at::Tensor& residual, LinearCase& c) {
  const at::ScalarType dtype = residual.scalar_type();
  if (dtype != at::kFloat && dtype != at::kDouble && dtype != at::kBFloat16 && dtype != at::kHalf) {
    fail_type(op, "residual", "a floating dtype", describe(residual));
  }
  if (c.quantized_y) fail_value(op, "residual", "None with y_scale", describe(residual));
  const c10::SymIntArrayRef other = residual.sym_sizes();
  c10::SymDimVector sizes(c.sizes);
  if (other.size() > sizes.size()) sizes.insert(sizes.begin(), other.size() - sizes.size(), c10::SymInt(1));
  for (size_t i = 1; i <= other.size(); ++i) {
    c10::SymInt& size = sizes[sizes.size() - i];
    const c10::SymInt& wanted = other[other.size() - i];
    if (size == wanted || wanted == 1) continue;
    if (size != 1) {
      std::ostringstream result;
      result << "sizes that broadcast with the result's " << c10::SymIntArrayRef(c.sizes);
      fail_value(op, "residual", result.str(), describe(residual));
    }
    size = wanted;
  }
  c.sizes = std::move(sizes);
  c.dtype = c10::promoteTypes(c.dtype, dtype);
}

}  // namespace

ActivationArgs check_activation_args(std::string_view op, std::string_view activation, bool symmetric,
                                     double x_scale, int64_t x_zero_point) {
  ActivationArgs args;
  args.mode = check_activation_mode(op, activation);
  args.symmetric = symmetric;
  if (args.mode == ActivationMode::kStatic) {
    return check_static(op, "x", symmetric, x_scale, x_zero_point, " with activation=\"static\"",
                        "activation_symmetric");
  }
  if (x_scale != 0.0 || x_zero_point != 0) {
    fail_value(op, x_scale != 0.0 ? "x_scale" : "x_zero_point",
               "0 with activation=" + quoted(activation) + " (only \"static\" uses it)",
               x_scale != 0.0 ? std::to_string(x_scale) : std::to_string(x_zero_point));
  }
  return args;
}

LinearCase check_linear(std::string_view op, const at::Tensor& x, int64_t n, const LinearArgs& args) {
  LinearCase c;
  c.activation =
      check_activation_args(op, args.activation, args.activation_symmetric, args.x_scale, args.x_zero_point);
  check_x_kind(op, x, args, c);
  c.rows = check_rows(op, args.row_begin, args.row_end, n);
  check_bias(op, args.bias, c.rows.size());
  c.post_op = check_post_op(op, args.post_op);
  check_gamma(op, args.gamma, c.rows.size());
  c.sizes = c10::SymDimVector(x.sym_sizes());
  c.sizes.back() = c.rows.size();
  if (args.y_scale != 0.0) {
    c.quantized_y =
        check_static(op, "y", args.y_symmetric, args.y_scale, args.y_zero_point, ", or 0", "y_symmetric");
    if (args.dtype.has_value()) fail_value(op, "dtype", "None with y_scale", describe(*args.dtype));
    c.dtype = at::kByte;
    c.sizes.back() = activation_bytes(c.sizes.back());
  } else if (args.y_zero_point != 0 || args.y_symmetric) {
    fail_value(op, args.y_symmetric ? "y_symmetric" : "y_zero_point",
               std::string(args.y_symmetric ? "false" : "0") + " without y_scale",
               args.y_symmetric ? "true" : std::to_string(args.y_zero_point));
  }
  if (args.residual.has_value()) add_residual(op, *args.residual, c);
  return c;
}

}  // namespace vqt
