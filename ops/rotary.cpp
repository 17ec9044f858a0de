// Rotary position embedding of x [..., T, D] in one pass, optionally with LayerNorm over D before it. x may
// have any strides (heads of a fused projection); y is contiguous. What the kernel does not take is computed by
// the same steps in torch's ops.
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <torch/library.h>

#include <sstream>
#include <utility>
#include <vector>

#include "cpu/norm/rotary_kernel.h"
#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/norm_args.h"
#include "ops/optional_floats.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "rotary";

using OptionalTensor = std::optional<at::Tensor>;

// As the schema has them.
struct RotaryArgs {
  const at::Tensor &x, &cos, &sin;
  int64_t axes;
  bool norm;
  const OptionalTensor &norm_weight, &norm_bias;
  double norm_eps;
  bool promote, halves;

  int64_t parts() const { return 2 * axes; }
};

void check_parameter(std::string_view argument, const OptionalTensor& parameter, bool norm,
                     const at::Tensor& x) {
  if (!parameter.has_value()) return;
  if (!norm) fail_value(kOp, argument, "None without norm", describe(*parameter));
  check_norm_size(kOp, argument, *parameter, x);
}

// Can torch cut x's last dimension so?
bool can_cut(const RotaryArgs& a) {
  const c10::SymInt d = a.x.sym_size(-1);
  if (a.halves || d % a.parts() == 0) return true;
  const c10::SymInt size = (d + a.parts() - 1) / a.parts();
  return (d + size - 1) / size == a.parts();
}

void check_args(const RotaryArgs& a) {
  const at::Tensor& x = a.x;
  if (a.axes != 1 && a.axes != 2) fail_value(kOp, "axes", "1 or 2", std::to_string(a.axes));
  if (a.halves && a.axes != 1) fail_value(kOp, "halves", "false with axes=2", "true");
  if (x.scalar_type() == at::kBool) fail_type(kOp, "x", "a dtype that has a sign", describe(x));
  if (x.dim() == 0) fail_value(kOp, "x", "at least 1 dimension, [..., T, D]", describe(x));
  if (!can_cut(a)) {
    fail_value(kOp, "x",
               "a last dimension that chunk(" + std::to_string(a.parts()) + ") cuts into " +
                   std::to_string(a.parts()) + " parts with axes=" + std::to_string(a.axes),
               describe(x));
  }
  check_parameter("norm_weight", a.norm_weight, a.norm, x);
  check_parameter("norm_bias", a.norm_bias, a.norm, x);
  if (!(a.norm_eps >= 0.0)) fail_value(kOp, "norm_eps", "0 or more", std::to_string(a.norm_eps));
}

// The result without data: x's sizes broadcast with the tables'.
c10::SymDimVector check_sizes(const RotaryArgs& a) {
  c10::SymDimVector sizes(a.x.sym_sizes());
  const auto take = [&](std::string_view argument, const at::Tensor& table) {
    if (broadcast(sizes, table.sym_sizes())) return;
    std::ostringstream expected;
    expected << "[" << (a.x.dim() > 1 ? a.x.sym_size(-2) : c10::SymInt(1)) << ", " << a.x.sym_size(-1)
             << "], x's last two, or what broadcasts with " << c10::SymIntArrayRef(sizes);
    fail_value(kOp, argument, expected.str(), describe(table));
  };
  take("cos", a.cos);
  take("sin", a.sin);
  return sizes;
}

at::ScalarType result_dtype(const RotaryArgs& a) {
  const at::ScalarType x = a.x.scalar_type();
  return a.promote ? c10::promoteTypes(promoted_dtype(x, a.cos), promoted_dtype(x, a.sin)) : x;
}

at::Tensor rotary_meta(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes,
                       bool norm, const OptionalTensor& norm_weight, const OptionalTensor& norm_bias,
                       double norm_eps, bool promote, bool halves) {
  const RotaryArgs args = {x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps, promote, halves};
  check_args(args);
  return x.new_empty_symint(check_sizes(args), result_dtype(args));
}

// sizes: of the result.
bool kernel_takes(const RotaryArgs& a, c10::SymIntArrayRef sizes) {
  return a.x.dim() >= 2 && a.x.size(-1) % a.parts() == 0 && sizes == a.x.sym_sizes() && kernel_reads(a.x) &&
         kernel_reads(a.cos) && kernel_reads(a.sin) && kernel_reads(a.norm_weight) &&
         kernel_reads(a.norm_bias);
}

at::Tensor rotated(const RotaryArgs& a, const at::Tensor& v) {
  const int64_t d = v.size(-1);
  const std::vector<at::Tensor> parts =
      a.halves ? std::vector<at::Tensor>{v.narrow(-1, 0, d / 2), v.narrow(-1, d / 2, d - d / 2)}
               : v.chunk(a.parts(), -1);
  std::vector<at::Tensor> turned;
  for (size_t i = 0; i < parts.size(); i += 2) {
    turned.push_back(parts[i + 1].neg());
    turned.push_back(parts[i]);
  }
  return at::cat(turned, -1);
}

at::Tensor rotary_in_torch(const RotaryArgs& a) {
  const at::Tensor v =
      a.norm ? at::layer_norm(a.x, {a.x.size(-1)}, a.norm_weight, a.norm_bias, a.norm_eps) : a.x;
  return v.mul(a.cos).add(rotated(a, v).mul(a.sin)).to(result_dtype(a));
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

at::Tensor run_kernel(const RotaryArgs& a) {
  const at::Tensor& x = a.x;
  const at::Tensor y = at::empty(x.sizes(), x.options().dtype(at::kFloat));
  if (y.numel() == 0) return y;
  const at::Tensor heads = as_heads(x), cos_rows = as_heads(a.cos, x.sizes()),
                   sin_rows = as_heads(a.sin, x.sizes());
  const NormParameters parameters(a.norm_weight, a.norm_bias, a.norm_eps);
  cpu::Rotary job;
  job.x = head_rows(heads);
  job.cos = head_rows(cos_rows);
  job.sin = head_rows(sin_rows);
  job.y = y.mutable_data_ptr<float>();
  job.heads = heads.size(1);
  job.tokens = heads.size(2);
  job.d = heads.size(3);
  job.part = job.d / a.parts();
  job.normed = a.norm;
  job.norm = parameters.row();
  const cpu::RotaryFn kernel = cpu::rotary_kernel(cpu::best_isa());
  at::parallel_for(0, heads.size(0) * job.tokens, rows_per_task(job.heads * job.d),
                   [&](int64_t begin, int64_t end) {
                     kernel(job, {begin, end});
                   });
  return y;
}

at::Tensor rotary_cpu(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes,
                      bool norm, const OptionalTensor& norm_weight, const OptionalTensor& norm_bias,
                      double norm_eps, bool promote, bool halves) {
  const KernelScope scope;
  const RotaryArgs args = {x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps, promote, halves};
  check_args(args);
  if (!kernel_takes(args, check_sizes(args))) return rotary_in_torch(args);
  return run_kernel(args).to(result_dtype(args));
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("rotary", &rotary_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("rotary", &rotary_cpu); }

}  // namespace vqt
