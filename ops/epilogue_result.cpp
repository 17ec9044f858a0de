#include "ops/epilogue_result.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>

#include "ops/optional_floats.h"
#include "ops/quantize_activation.h"

namespace vqt {

EpilogueResult make_result(const EpilogueArgs& args, const std::optional<at::Tensor>& bias,
                           int64_t first_column, const std::vector<int64_t>& sizes) {
  EpilogueResult r;
  cpu::Epilogue& e = r.epilogue;
  e.first_column = first_column;
  r.bias = as_floats(bias);
  e.bias = data_or_null(r.bias);
  e.post_op = args.post_op;
  r.gamma = as_floats(args.gamma);
  e.gamma = data_or_null(r.gamma);
  if (args.residual.has_value() && args.residual->sizes() == sizes &&
      args.residual->scalar_type() != at::kDouble) {
    r.residual = as_floats(args.residual);
    e.residual = data_or_null(r.residual);
    e.residual_stride = sizes.back();
  }
  if (!args.quantized_y) {
    r.out = at::empty(sizes, at::TensorOptions(at::kFloat));
    e.y = r.out.mutable_data_ptr<float>();
    e.y_stride = sizes.back();
    return r;
  }
  r.out = empty_activation(sizes);
  e.q = activation_view(r.out, sizes.back());
  e.y_scale = args.quantized_y->scale;
  e.y_symmetric = args.quantized_y->symmetric;
  e.y_zero = e.y_symmetric ? 128 : args.quantized_y->zero_point;
  cpu::begin_static(e.q, sizes.back(), e.y_scale, e.y_zero);
  return r;
}

at::Tensor finish_result(const EpilogueArgs& args, const EpilogueResult& result) {
  if (args.quantized_y) {
    cpu::clear_nan_rows(result.epilogue.q);
    return result.out;
  }
  const bool add = args.residual.has_value() && !result.residual.defined();
  return (add ? at::add(*args.residual, result.out) : result.out).to(args.dtype);
}

at::Tensor apply_epilogue_unfused(const EpilogueArgs& args, at::Tensor y) {
  if (args.post_op == cpu::PostOp::kGelu) y = at::gelu(y);
  if (args.post_op == cpu::PostOp::kRelu) y = at::relu(y);
  if (args.gamma.has_value()) y = at::mul(y, args.gamma->to(at::kFloat));
  if (args.residual.has_value()) y = at::add(*args.residual, y);
  return args.quantized_y ? quantize_activation(y, *args.quantized_y) : y.to(args.dtype);
}

}  // namespace vqt
