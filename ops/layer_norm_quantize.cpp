// LayerNorm over the last dimension, whose rows are quantized before they leave the first cache: the input of
// an integer linear without the float tensor in between.
#include <torch/library.h>

#include <algorithm>
#include <string>

#include "cpu/layer_norm_quantize_kernel.h"
#include "kernel_scope.h"
#include "norm_args.h"
#include "parallel.h"
#include "quantize_activation.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "layer_norm_quantize";
constexpr int64_t kValuesPerTask = 1 << 15;

using OptionalTensor = std::optional<at::Tensor>;

ActivationArgs check_args(const at::Tensor& x, const OptionalTensor& weight, const OptionalTensor& bias,
                          double eps, std::string_view activation, bool symmetric, double x_scale,
                          int64_t x_zero_point) {
  check_float(kOp, "x", x);
  if (x.dim() == 0) fail_value(kOp, "x", "at least 1 dimension", describe(x));
  check_norm_parameter(kOp, "weight", weight, x);
  check_norm_parameter(kOp, "bias", bias, x);
  if (!(eps >= 0.0)) fail_value(kOp, "eps", "0 or more", std::to_string(eps));
  const ActivationArgs args = check_activation_args(kOp, activation, symmetric, x_scale, x_zero_point);
  if (args.mode == Activation::kNone) fail_value(kOp, "activation", "dynamic or static", quoted(activation));
  return args;
}

at::Tensor layer_norm_quantize_meta(const at::Tensor& x, const OptionalTensor& weight,
                                    const OptionalTensor& bias, double eps, std::string_view activation,
                                    bool symmetric, double x_scale, int64_t x_zero_point) {
  check_args(x, weight, bias, eps, activation, symmetric, x_scale, x_zero_point);
  c10::SymDimVector sizes(x.sym_sizes());
  sizes.back() = activation_bytes(sizes.back());
  return x.new_empty_symint(sizes, at::kByte);
}

at::Tensor layer_norm_quantize_cpu(const at::Tensor& x, const OptionalTensor& weight,
                                   const OptionalTensor& bias, double eps, std::string_view activation,
                                   bool symmetric, double x_scale, int64_t x_zero_point) {
  const KernelScope scope;
  const ActivationArgs args = check_args(x, weight, bias, eps, activation, symmetric, x_scale, x_zero_point);
  const at::Tensor out = empty_activation(x.sizes());
  const int64_t k = x.size(-1);
  const cpu::ActivationRows rows = activation_view(out, k);
  at::Tensor values = x.to(at::kFloat).reshape({rows.rows, k});
  if (values.stride(1) != 1) values = values.contiguous();
  const NormParameters parameters(weight, bias, eps);

  cpu::LayerNorm norm;
  norm.x = values.const_data_ptr<float>();
  norm.x_stride = values.stride(0);
  norm.k = k;
  norm.norm = parameters.row();
  cpu::QuantizeRows job;
  job.out = rows;
  job.k = k;
  job.symmetric = args.symmetric;
  job.dynamic = args.mode == Activation::kDynamic;
  job.static_scale = args.scale;
  job.static_zero = args.zero;
  const cpu::Isa isa = cpu::best_isa();
  const int64_t grain = std::max<int64_t>(rows.tile, kValuesPerTask / std::max<int64_t>(k, 1));
  at::parallel_for(0, rows.rows, grain, [&](int64_t begin, int64_t end) {
    cpu::layer_norm_quantize(norm, job, isa, {rows.first(begin), rows.first(end)});
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_cpu); }

}  // namespace vqt
