// LayerNorm over the last dimension, quantized while a row is in the first cache: the input of an integer
// linear without a float tensor in between.
#include <torch/library.h>

#include <string>

#include "cpu/norm/layer_norm_quantize_kernel.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/norm_args.h"
#include "ops/parallel.h"
#include "ops/quantize_activation.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "layer_norm_quantize";

using OptionalTensor = std::optional<at::Tensor>;

ActivationArgs check_args(const at::Tensor& x, const OptionalTensor& weight, const OptionalTensor& bias,
                          double eps, const ActivationSchemaArgs& activation) {
  const ActivationArgs args = check_quantizer(kOp, x, activation);
  check_norm_parameter(kOp, "weight", weight, x);
  check_norm_parameter(kOp, "bias", bias, x);
  if (!(eps >= 0.0)) fail_value(kOp, "eps", "0 or more", std::to_string(eps));
  return args;
}

at::Tensor layer_norm_quantize_meta(const at::Tensor& x, const OptionalTensor& weight,
                                    const OptionalTensor& bias, double eps, std::string_view activation,
                                    bool symmetric, double x_scale, int64_t x_zero_point) {
  check_args(x, weight, bias, eps, {activation, symmetric, x_scale, x_zero_point});
  return quantized_meta(x);
}

at::Tensor layer_norm_quantize_cpu(const at::Tensor& x, const OptionalTensor& weight,
                                   const OptionalTensor& bias, double eps, std::string_view activation,
                                   bool symmetric, double x_scale, int64_t x_zero_point) {
  const KernelScope scope;
  const ActivationArgs args =
      check_args(x, weight, bias, eps, {activation, symmetric, x_scale, x_zero_point});
  const at::Tensor out = empty_activation(x.sizes());
  const int64_t k = x.size(-1);
  const cpu::QuantizeRowsJob job = quantizer(args, activation_view(out, k), k);
  const at::Tensor values = dense_rows(x, job.out.rows);
  const NormParameters parameters(weight, bias, eps);

  cpu::LayerNorm norm;
  norm.x = values.const_data_ptr<float>();
  norm.x_stride = values.stride(0);
  norm.k = k;
  norm.norm = parameters.row();
  const cpu::Isa isa = cpu::best_isa();
  at::parallel_for(0, job.out.rows, rows_per_task(job), [&](int64_t begin, int64_t end) {
    cpu::layer_norm_quantize(norm, job, isa, {job.out.first(begin), job.out.first(end)});
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_cpu); }

}  // namespace vqt
