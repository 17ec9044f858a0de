#include "ops/epilogue_result.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>

#include <utility>

#include "ops/optional_floats.h"
#include "ops/quantize_activation.h"

namespace vqt {

namespace {

// The steps after post_op that are left, in torch's ops.
at::Tensor finish_in_torch(const EpilogueArgs& args, at::Tensor y, bool scale, bool add) {
  if (scale) y = at::mul(y, *args.gamma);
  if (add) y = at::add(*args.residual, y);
  return args.quantized_y ? quantize_activation(y, *args.quantized_y) : y.to(args.dtype);
}

}  // namespace

EpilogueResult make_result(const EpilogueArgs& args, const std::optional<at::Tensor>& bias,
                           int64_t first_column, const std::vector<int64_t>& sizes) {
  EpilogueResult r;
  cpu::Epilogue& e = r.epilogue;
  e.first_column = first_column;
  r.bias = as_floats(bias);
  e.bias = data_or_null(r.bias);
  e.post_op = args.post_op;
  bool all_taken = true;  // so far: a kernel does the first steps, and torch's ops the others
  if (args.gamma.has_value()) {
    all_taken = kernel_reads(*args.gamma) && args.gamma->dim() == 1 && args.gamma->size(0) == sizes.back();
    if (all_taken) r.gamma = as_floats(args.gamma);
    e.gamma = data_or_null(r.gamma);
  }
  if (args.residual.has_value()) {
    all_taken = all_taken && kernel_reads(*args.residual) && args.residual->sizes() == sizes;
    if (all_taken) r.residual = as_floats(args.residual);
    e.residual = data_or_null(r.residual);
    e.residual_stride = sizes.back();
  }
  if (!args.quantized_y || !all_taken) {
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
  if (is_quantized_activation(result.out)) {
    cpu::clear_nan_rows(result.epilogue.q);
    return result.out;
  }
  const bool scale = args.gamma.has_value() && !result.gamma.defined();
  return finish_in_torch(args, result.out, scale, args.residual.has_value() && !result.residual.defined());
}

at::Tensor apply_epilogue_unfused(const EpilogueArgs& args, at::Tensor y) {
  if (args.post_op == cpu::PostOp::kGelu) y = at::gelu(y);
  if (args.post_op == cpu::PostOp::kRelu) y = at::relu(y);
  return finish_in_torch(args, std::move(y), args.gamma.has_value(), args.residual.has_value());
}

}  // namespace vqt
