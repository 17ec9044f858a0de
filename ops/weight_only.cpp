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

constexpr int64_t kBlockValues = 1 << 20;  // 4 MB of scratch: fewer, larger products run faster
constexpr int64_t kRowsPerTask = 8;
constexpr int64_t kSmallMPortable = 16;  // above it torch's product is faster than the portable kernel

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

bool has_kernel(int64_t m) { return cpu::best_isa() != cpu::Isa::kRef || m <= kSmallMPortable; }

at::Tensor run_kernel(const at::Tensor& x, cpu::WeightOnly job, int64_t bits, RowSlice rows,
                      const std::optional<at::Tensor>& bias) {
  const Sizes s = sizes_of(x, rows.size());
  const at::Tensor x2 = x.to(at::kFloat).reshape({s.m, s.k}).contiguous();
  const at::Tensor bias_float = as_floats(bias);
  const at::Tensor y = at::empty({s.m, s.n}, x2.options());
  if (y.numel() > 0) {
    job.x = x2.const_data_ptr<float>();
    job.rows = s.m;
    job.first_column = rows.begin;
    job.bias = data_or_null(bias_float);
    job.y = y.mutable_data_ptr<float>();
    job.y_stride = s.n;
    const cpu::Isa isa = cpu::best_isa();
    const LinearPlan plan = plan_linear({s.m, rows.begin, rows.end, s.k, bits, at::get_num_threads(), isa});
    run_plan(plan, job, cpu::weight_only_kernel(isa));
  }
  return y.view(s.y).to(x.scalar_type());
}

at::Tensor run_torch(const at::Tensor& x, RowSlice rows_of_weight, const DequantizeRows& dequantize_rows,
                     const std::optional<at::Tensor>& bias) {
  const Sizes s = sizes_of(x, rows_of_weight.size());
  const int64_t m = s.m, n = s.n, k = s.k;
  const at::Tensor x2 =
      x.to(at::kFloat).reshape({m, k}).contiguous();  // strides change the last bits of torch's product
  const at::TensorOptions options = x2.options();
  at::Tensor y = at::empty({m, n}, options);
  const at::Tensor bias_float = bias.has_value() ? bias->to(at::kFloat) : at::Tensor();
  const int64_t block =
      std::clamp<int64_t>(kBlockValues / std::max<int64_t>(k, 1), 16, std::max<int64_t>(n, 16));
  const at::Tensor scratch = at::empty({std::min(block, n), k}, options);
  for (int64_t row = 0; row < n && m > 0; row += block) {
    const int64_t rows = std::min(block, n - row);
    float* out = scratch.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
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
  cpu::WeightOnly job;
  const bool aligned = reinterpret_cast<uintptr_t>(weight.block) % alignof(float) == 0;
  if (aligned && has_kernel(sizes_of(x, 0).m) && cpu::set_weight(job, weight.header, weight.block)) {
    return run_kernel(x, job, weight.header.bits, rows, bias);
  }
  const auto dequantize = [&](int64_t begin, int64_t end, float* out) {
    cpu::dequantize_packed(weight.block, begin, end, out);
  };
  return run_torch(x, rows, dequantize, bias);
}

at::Tensor weight_only_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                              RowSlice rows, const std::optional<at::Tensor>& bias) {
  const KernelScope scope;
  const at::Tensor values = weight.contiguous(), scales = scale.contiguous();
  const auto* data = values.const_data_ptr<int16_t>();
  const int64_t n = weight.size(0), k = weight.size(1);
  if (has_kernel(sizes_of(x, 0).m)) {
    cpu::WeightOnly job;
    job.kind = cpu::WeightOnly::Kind::kInt16;
    job.k = job.k_pad = job.group = k;
    job.w = reinterpret_cast<const uint8_t*>(data);
    job.scale = scales.const_data_ptr<float>();
    job.one_scale = scales.numel() == 1;
    return run_kernel(x, job, 16, rows, bias);
  }
  cpu::Quantized q;
  q.n = n;
  q.k = k;
  q.run = scales.numel() == 1 ? std::max<int64_t>(n * k, 1) : k;
  q.bits = 16;
  q.scale = scales.const_data_ptr<float>();
  const auto dequantize = [&](int64_t begin, int64_t end, float* out) {
    cpu::dequantize_rows(q, data, begin, end, out);
  };
  return run_torch(x, rows, dequantize, bias);
}

}  // namespace vqt
