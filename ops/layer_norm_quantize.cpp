// LayerNorm over the last dimension, whose rows are quantized before they leave the first cache: the input of
// an integer linear without the float tensor in between.
#include <torch/library.h>

#include <algorithm>
#include <string>

#include "cpu/layer_norm_kernel.h"
#include "cpu/quantize_per_token_kernel.h"
#include "cpu/scratch.h"
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

// The tile that begins at a row, as rows of its own.
cpu::ActivationRows tile_of(const cpu::ActivationRows& rows, int64_t row) {
  return {rows.q + row * rows.k_pad, rows.scale + row, rows.zero + row, rows.sum + row,
          rows.height(row),          rows.k_pad,       rows.tile};
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

  const cpu::Isa isa = cpu::best_isa();
  const cpu::LayerNormFn normalize = cpu::layer_norm_kernel(isa);
  const cpu::QuantizeRowsFn quantize = cpu::quantize_rows_kernel(isa);
  cpu::LayerNorm norm_job;
  norm_job.x = values.const_data_ptr<float>();
  norm_job.x_stride = values.stride(0);
  norm_job.k = k;
  norm_job.norm = parameters.row();
  cpu::QuantizeRows quantize_job;
  quantize_job.x_stride = quantize_job.k = k;
  quantize_job.symmetric = args.symmetric;
  quantize_job.dynamic = args.mode == Activation::kDynamic;
  quantize_job.static_scale = args.scale;
  quantize_job.static_zero = args.zero;

  const int64_t grain = std::max<int64_t>(rows.tile, kValuesPerTask / std::max<int64_t>(k, 1));
  at::parallel_for(0, rows.rows, grain, [&](int64_t begin, int64_t end) {
    cpu::LayerNorm norm = norm_job;
    cpu::QuantizeRows job = quantize_job;
    norm.y = static_cast<float*>(cpu::scratch(rows.tile * k * sizeof(float)));
    job.x = norm.y;
    const int64_t last = rows.first(end);
    for (int64_t row = rows.first(begin); row < last; row += job.out.rows) {
      job.out = tile_of(rows, row);
      norm.x = norm_job.x + row * norm.x_stride;
      normalize(norm, {0, job.out.rows});
      quantize(job, 0, job.out.rows);
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("layer_norm_quantize", &layer_norm_quantize_cpu); }

}  // namespace vqt
