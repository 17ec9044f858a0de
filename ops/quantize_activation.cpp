#include "ops/quantize_activation.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "quantize_activation";

at::Tensor quantize_activation_meta(const at::Tensor& x, std::string_view activation, bool symmetric,
                                    double x_scale, int64_t x_zero_point) {
  check_quantizer(kOp, x, {activation, symmetric, x_scale, x_zero_point});
  return quantized_meta(x);
}

at::Tensor quantize_activation_cpu(const at::Tensor& x, std::string_view activation, bool symmetric,
                                   double x_scale, int64_t x_zero_point) {
  return quantize_activation(x, check_quantizer(kOp, x, {activation, symmetric, x_scale, x_zero_point}));
}

}  // namespace

at::Tensor empty_activation(at::IntArrayRef sizes) {
  std::vector<int64_t> out = sizes.vec();
  out.back() = cpu::activation_bytes_per_row(sizes.back());
  const at::Tensor block = at::empty(out, at::TensorOptions(at::kByte));
  const size_t unused = block.numel() / out.back() * (sizes.back() % 8);
  std::memset(block.mutable_data_ptr<uint8_t>() + block.numel() - unused, 0, unused);
  return block;
}

cpu::QuantizedRows activation_view(const at::Tensor& activation, int64_t k) {
  return cpu::activation_rows(activation.mutable_data_ptr<uint8_t>(),
                              activation.numel() / activation.size(-1), k,
                              cpu::activation_tile(cpu::best_isa()));
}

ActivationArgs check_quantizer(std::string_view op, const at::Tensor& x, const ActivationSchemaArgs& args) {
  check_float(op, "x", x);
  if (x.dim() == 0) fail_value(op, "x", "at least 1 dimension", describe(x));
  const ActivationArgs checked = check_activation_args(op, args);
  if (checked.mode == ActivationMode::kNone) {
    fail_value(op, "activation", "dynamic or static", quoted(args.activation));
  }
  return checked;
}

at::Tensor quantized_meta(const at::Tensor& x) {
  c10::SymDimVector sizes(x.sym_sizes());
  sizes.back() = activation_bytes(sizes.back());
  return x.new_empty_symint(sizes, at::kByte);
}

at::Tensor dense_rows(const at::Tensor& x, int64_t rows) {
  const at::Tensor values = x.to(at::kFloat).reshape({rows, x.size(-1)});
  return values.stride(1) == 1 ? values : values.contiguous();
}

cpu::QuantizeRowsJob quantizer(const ActivationArgs& args, const cpu::QuantizedRows& out, int64_t k) {
  cpu::QuantizeRowsJob job;
  job.out = out;
  job.k = k;
  job.symmetric = args.symmetric;
  job.dynamic = args.mode == ActivationMode::kDynamic;
  job.static_scale = args.scale;
  job.static_zero = args.zero_point;
  return job;
}

int64_t rows_per_task(const cpu::QuantizeRowsJob& job) {
  return std::max(job.out.tile, rows_per_task(job.k));
}

at::Tensor quantize_activation(const at::Tensor& x, const ActivationArgs& args) {
  const KernelScope scope;
  const at::Tensor out = empty_activation(x.sizes());
  const int64_t k = x.size(-1);
  cpu::QuantizeRowsJob job = quantizer(args, activation_view(out, k), k);
  if (job.out.rows == 0) return out;
  const at::Tensor values = dense_rows(x, job.out.rows);
  job.x = values.const_data_ptr<float>();
  job.x_stride = values.stride(0);
  const cpu::QuantizeRowsFn kernel = cpu::quantize_rows_kernel(cpu::best_isa());
  at::parallel_for(0, job.out.rows, rows_per_task(job),
                   [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  return out;
}

at::Tensor check_quantized_x(std::string_view op, const at::Tensor& x, int64_t k) {
  const int64_t bytes = cpu::activation_bytes_per_row(k);
  if (x.size(-1) != bytes) {
    fail_value(op, "x",
               "[..., " + std::to_string(bytes) + "], a quantized activation of the weight's " +
                   std::to_string(k) + " columns",
               describe(x));
  }
  // The block cannot be sliced: where a row is stored depends on how many rows there are.
  constexpr size_t kSlack = 64;  // more than allocators add
  if (!x.is_contiguous() || x.storage().nbytes() >= x.nbytes() + kSlack) {
    fail_value(op, "x", "a quantized activation as an op returned it, at most reshaped",
               "a part of one, or one with other strides");
  }
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % alignof(float) == 0 ? x : x.clone();
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("quantize_activation", &quantize_activation_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("quantize_activation", &quantize_activation_cpu); }

}  // namespace vqt
