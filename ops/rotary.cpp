// Rotary position embedding of x [..., T, D] in one pass, optionally with LayerNorm over D before it. x may
// have any strides (heads of a fused projection); y is contiguous.
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <sstream>

#include "cpu/norm/rotary_kernel.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/norm_args.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "rotary";

using OptionalTensor = std::optional<at::Tensor>;

void check_table(std::string_view argument, const at::Tensor& table, const at::Tensor& x) {
  check_float(kOp, argument, table);
  bool fits = table.dim() <= x.dim();
  for (int64_t i = 1; fits && i <= table.dim(); ++i) {
    fits = table.sym_size(-i) == x.sym_size(-i) || table.sym_size(-i) == 1;
  }
  if (fits) return;
  std::ostringstream expected;
  expected << "[" << x.sym_size(-2) << ", " << x.sym_size(-1) << "], x's last two, or what broadcasts to x "
           << x.sym_sizes();
  fail_value(kOp, argument, expected.str(), describe(table));
}

void check_parameter(std::string_view argument, const OptionalTensor& parameter, bool norm,
                     const at::Tensor& x) {
  if (parameter.has_value() && !norm) fail_value(kOp, argument, "None without norm", describe(*parameter));
  check_norm_parameter(kOp, argument, parameter, x);
}

void check_args(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes, bool norm,
                const OptionalTensor& norm_weight, const OptionalTensor& norm_bias, double norm_eps) {
  check_float(kOp, "x", x);
  if (x.dim() < 2) fail_value(kOp, "x", "at least 2 dimensions, [..., T, D]", describe(x));
  if (axes != 1 && axes != 2) fail_value(kOp, "axes", "1 or 2", std::to_string(axes));
  if (x.sym_size(-1) % (2 * axes) != 0) {
    fail_value(kOp, "x",
               "a last dimension that is a multiple of " + std::to_string(2 * axes) +
                   " with axes=" + std::to_string(axes),
               describe(x));
  }
  check_table("cos", cos, x);
  check_table("sin", sin, x);
  check_parameter("norm_weight", norm_weight, norm, x);
  check_parameter("norm_bias", norm_bias, norm, x);
  if (!(norm_eps >= 0.0)) fail_value(kOp, "norm_eps", "0 or more", std::to_string(norm_eps));
}

at::Tensor rotary_meta(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes,
                       bool norm, const OptionalTensor& norm_weight, const OptionalTensor& norm_bias,
                       double norm_eps) {
  check_args(x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps);
  return x.new_empty_symint(x.sym_sizes());
}

// float32 [batch, heads, T, D] with contiguous rows: a view where possible.
at::Tensor as_heads(const at::Tensor& x) {
  at::Tensor heads = x.to(at::kFloat);
  if (heads.stride(-1) != 1) heads = heads.contiguous();
  while (heads.dim() < 4) heads = heads.unsqueeze(0);
  return heads.dim() > 4 ? heads.flatten(0, -4) : heads;
}

// A table in the same form; broadcast dimensions have stride 0.
at::Tensor as_heads(const at::Tensor& table, at::IntArrayRef sizes) {
  at::Tensor rows = table.to(at::kFloat);
  if (rows.dim() == 0 || rows.size(-1) != sizes.back() || rows.stride(-1) != 1) {
    c10::DimVector row_sizes(rows.sizes());
    if (row_sizes.empty()) row_sizes.push_back(1);
    row_sizes.back() = sizes.back();
    rows = rows.expand(row_sizes).contiguous();
  }
  return as_heads(rows.expand(sizes));
}

cpu::HeadRows head_rows(const at::Tensor& heads) {
  return {heads.const_data_ptr<float>(), heads.stride(0), heads.stride(1), heads.stride(2)};
}

at::Tensor rotary_cpu(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes,
                      bool norm, const OptionalTensor& norm_weight, const OptionalTensor& norm_bias,
                      double norm_eps) {
  const KernelScope scope;
  check_args(x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps);
  const at::Tensor y = at::empty(x.sizes(), x.options().dtype(at::kFloat));
  if (y.numel() == 0) return y.to(x.scalar_type());
  const at::Tensor heads = as_heads(x), cos_rows = as_heads(cos, x.sizes()),
                   sin_rows = as_heads(sin, x.sizes());
  const NormParameters parameters(norm_weight, norm_bias, norm_eps);
  cpu::Rotary job;
  job.x = head_rows(heads);
  job.cos = head_rows(cos_rows);
  job.sin = head_rows(sin_rows);
  job.y = y.mutable_data_ptr<float>();
  job.heads = heads.size(1);
  job.tokens = heads.size(2);
  job.d = heads.size(3);
  job.part = job.d / (2 * axes);
  job.normed = norm;
  job.norm = parameters.row();
  const cpu::RotaryFn kernel = cpu::rotary_kernel(cpu::best_isa());
  at::parallel_for(0, heads.size(0) * job.tokens, rows_per_task(job.heads * job.d),
                   [&](int64_t begin, int64_t end) {
                     kernel(job, {begin, end});
                   });
  return y.to(x.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("rotary", &rotary_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("rotary", &rotary_cpu); }

}  // namespace vqt
