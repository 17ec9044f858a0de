#include "ops/weight_only.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "cpu/linear/weight_only_kernel.h"
#include "cpu/quantize/quantize_kernel.h"
#include "ops/kernel_scope.h"
#include "ops/optional_floats.h"
#include "ops/run_plan.h"

namespace vqt {
namespace {

// Writes rows [begin, end) of the weight as float32 [end - begin][k]. Called from several threads at once.
using DequantizeRows = std::function<void(int64_t begin, int64_t end, float* out)>;

constexpr int64_t kFloatRowsPerTask = 8;

struct Sizes {
  std::vector<int64_t> y;
  int64_t m, n, k;
};

Sizes sizes_of(const at::Tensor& x, int64_t n) {
  Sizes s = {x.sizes().vec(), 1, n, x.size(-1)};
  s.y.back() = n;
  for (size_t i = 0; i + 1 < s.y.size(); ++i) s.m *= s.y[i];
  return s;
}

// has_layout: a kernel reads the weight as it is stored.
LinearPlan plan_weight_only(const at::Tensor& x, int64_t bits, RowSlice rows, bool has_layout) {
  const Sizes s = sizes_of(x, rows.size());
  LinearShape shape;
  shape.rows = s.m;
  shape.column_begin = rows.begin;
  shape.column_end = rows.end;
  shape.k = s.k;
  shape.bits = bits;
  shape.threads = at::get_num_threads();
  shape.isa = cpu::best_isa();
  shape.weight_only = true;
  shape.has_layout = has_layout;
  const LinearPlan plan = plan_linear(shape);
  print_plan_once(plan);
  return plan;
}

at::Tensor run_kernel(const LinearPlan& plan, const at::Tensor& x, cpu::WeightOnlyJob job, RowSlice rows,
                      const std::optional<at::Tensor>& bias) {
  const Sizes s = sizes_of(x, rows.size());
  const at::Tensor x2 = x.to(at::kFloat).reshape({s.m, s.k}).contiguous();
  const at::Tensor bias_float = as_floats(bias);
  const at::Tensor y = at::empty({s.m, s.n}, x2.options());
  if (y.numel() > 0) {
    job.x = x2.const_data_ptr<float>();
    job.first_column = rows.begin;
    job.bias = data_or_null(bias_float);
    job.y = y.mutable_data_ptr<float>();
    job.y_stride = s.n;
    run_plan(plan, job, cpu::weight_only_kernel(plan.kernel));
  }
  return y.view(s.y).to(x.scalar_type());
}

at::Tensor run_torch(const LinearPlan& plan, const at::Tensor& x, RowSlice rows_of_weight,
                     const DequantizeRows& dequantize_rows, const std::optional<at::Tensor>& bias) {
  const Sizes s = sizes_of(x, rows_of_weight.size());
  const int64_t m = s.m, n = s.n, k = s.k;
  const at::Tensor x2 =
      x.to(at::kFloat).reshape({m, k}).contiguous();  // strides change the last bits of torch's product
  const at::TensorOptions options = x2.options();
  at::Tensor y = at::empty({m, n}, options);
  const at::Tensor bias_float = bias.has_value() ? bias->to(at::kFloat) : at::Tensor();
  cpu::count_run(plan.kernel);
  const int64_t block = plan.block.columns;
  const at::Tensor scratch = at::empty({std::min(block, n), k}, options);
  for (int64_t row = 0; row < n && m > 0; row += block) {
    const int64_t rows = std::min(block, n - row);
    float* out = scratch.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kFloatRowsPerTask, [&](int64_t begin, int64_t end) {
      dequantize_rows(rows_of_weight.begin + row + begin, rows_of_weight.begin + row + end, out + begin * k);
    });
    const at::Tensor weight = scratch.narrow(0, 0, rows).t();
    at::Tensor part = y.narrow(1, row, rows);
    if (bias_float.defined()) {
      at::addmm_out(part, bias_float.narrow(0, row, rows), x2, weight);
    } else {
      at::mm_out(part, x2, weight);
    }
  }
  return y.view(s.y).to(x.scalar_type());
}

}  // namespace

at::Tensor weight_only_linear(const at::Tensor& x, const PackedBlock& weight, RowSlice rows,
                              const std::optional<at::Tensor>& bias) {
  const KernelScope scope;
  cpu::WeightOnlyJob job;
  const bool aligned = reinterpret_cast<uintptr_t>(weight.block) % alignof(float) == 0;
  const bool has_layout = aligned && cpu::set_weight(job, weight.header, weight.block);
  const LinearPlan plan = plan_weight_only(x, weight.header.bits, rows, has_layout);
  if (plan.kernel != cpu::LinearKernel::kWeightOnlyTorch) return run_kernel(plan, x, job, rows, bias);
  const auto dequantize = [&](int64_t begin, int64_t end, float* out) {
    cpu::dequantize_packed(weight.block, begin, end, out);
  };
  return run_torch(plan, x, rows, dequantize, bias);
}

at::Tensor weight_only_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                              RowSlice rows, const std::optional<at::Tensor>& bias) {
  const KernelScope scope;
  const at::Tensor values = weight.contiguous(), scales = scale.contiguous();
  const auto* data = values.const_data_ptr<int16_t>();
  const int64_t n = weight.size(0), k = weight.size(1);
  const LinearPlan plan = plan_weight_only(x, 16, rows, true);
  if (plan.kernel != cpu::LinearKernel::kWeightOnlyTorch) {
    cpu::WeightOnlyJob job;
    job.kind = cpu::WeightOnlyJob::Kind::kInt16;
    job.k = job.k_pad = job.group = k;
    job.w = reinterpret_cast<const uint8_t*>(data);
    job.scale = scales.const_data_ptr<float>();
    job.one_scale = scales.numel() == 1;
    return run_kernel(plan, x, job, rows, bias);
  }
  cpu::Quantized q;
  q.n = n;
  q.k = q.width = k;
  q.run = scales.numel() == 1 ? std::max<int64_t>(n * k, 1) : k;
  q.bits = 16;
  q.scale = scales.const_data_ptr<float>();
  const auto dequantize = [&](int64_t begin, int64_t end, float* out) {
    cpu::dequantize_weight_rows(q, data, begin, end, out);
  };
  return run_torch(plan, x, rows, dequantize, bias);
}

}  // namespace vqt
