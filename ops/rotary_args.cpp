#include "ops/rotary_args.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/layer_norm.h>

#include <sstream>
#include <string>
#include <vector>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/heads.h"
#include "ops/optional_floats.h"

namespace vqt {
namespace {

// Can torch cut x's last dimension so?
bool can_cut(const RotaryArgs& a) {
  const c10::SymInt d = a.x.sym_size(-1);
  if (a.halves || d % a.parts() == 0) return true;
  const c10::SymInt size = (d + a.parts() - 1) / a.parts();
  return (d + size - 1) / size == a.parts();
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

// A table as heads of these sizes; broadcast dimensions have stride 0.
at::Tensor table_as_heads(const at::Tensor& table, at::IntArrayRef sizes) {
  at::Tensor rows = table.to(at::kFloat);
  if (rows.dim() == 0 || rows.size(-1) != sizes.back() || rows.stride(-1) != 1) {
    c10::DimVector row_sizes(rows.sizes());
    if (row_sizes.empty()) row_sizes.push_back(1);
    row_sizes.back() = sizes.back();
    rows = rows.expand(row_sizes).contiguous();
  }
  return as_heads(rows.expand(sizes));
}

}  // namespace

void check_rotary_norm(const RotaryNames& names, const at::Tensor& x, bool norm,
                       const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias,
                       double eps) {
  const auto check = [&](std::string_view argument, const std::optional<at::Tensor>& parameter) {
    if (!parameter.has_value()) return;
    if (!norm) fail_value(names.op, argument, "None without norm", describe(*parameter));
    check_norm_size(names.op, argument, *parameter, x, names.x);
  };
  check(names.norm_weight, weight);
  check(names.norm_bias, bias);
  if (!(eps >= 0.0)) fail_value(names.op, "norm_eps", "0 or more", std::to_string(eps));
}

c10::SymDimVector check_rotary(const RotaryNames& names, const RotaryArgs& a) {
  const at::Tensor& x = a.x;
  if (a.axes != 1 && a.axes != 2) fail_value(names.op, "axes", "1 or 2", std::to_string(a.axes));
  if (a.halves && a.axes != 1) fail_value(names.op, "halves", "false with axes=2", "true");
  if (x.scalar_type() == at::kBool) fail_type(names.op, names.x, "a dtype that has a sign", describe(x));
  if (x.dim() == 0) fail_value(names.op, names.x, "at least 1 dimension, [..., T, D]", describe(x));
  if (!can_cut(a)) {
    fail_value(names.op, names.x,
               "a last dimension that chunk(" + std::to_string(a.parts()) + ") cuts into " +
                   std::to_string(a.parts()) + " parts with axes=" + std::to_string(a.axes),
               describe(x));
  }
  check_rotary_norm(names, x, a.norm, a.norm_weight, a.norm_bias, a.norm_eps);

  c10::SymDimVector sizes(x.sym_sizes());
  const auto take = [&](std::string_view argument, const at::Tensor& table) {
    if (broadcast(sizes, table.sym_sizes())) return;
    std::ostringstream expected;
    expected << "[" << (x.dim() > 1 ? x.sym_size(-2) : c10::SymInt(1)) << ", " << x.sym_size(-1) << "], "
             << names.x << "'s last two, or what broadcasts with " << c10::SymIntArrayRef(sizes);
    fail_value(names.op, argument, expected.str(), describe(table));
  };
  take("cos", a.cos);
  take("sin", a.sin);
  return sizes;
}

at::ScalarType rotary_dtype(const RotaryArgs& a) {
  const at::ScalarType x = a.x.scalar_type();
  return a.promote ? c10::promoteTypes(promoted_dtype(x, a.cos), promoted_dtype(x, a.sin)) : x;
}

bool rotary_kernel_takes(const RotaryArgs& a, c10::SymIntArrayRef sizes) {
  return a.x.dim() >= 2 && a.x.size(-1) % a.parts() == 0 && sizes == a.x.sym_sizes() && kernel_reads(a.x) &&
         kernel_reads(a.cos) && kernel_reads(a.sin) && kernel_reads(a.norm_weight) &&
         kernel_reads(a.norm_bias);
}

at::Tensor rotary_in_torch(const RotaryArgs& a) {
  const at::Tensor v =
      a.norm ? at::layer_norm(a.x, {a.x.size(-1)}, a.norm_weight, a.norm_bias, a.norm_eps) : a.x;
  return v.mul(a.cos).add(rotated(a, v).mul(a.sin)).to(rotary_dtype(a));
}

RotaryJob::RotaryJob(const RotaryArgs& a)
    : x_(as_heads(a.x)),
      cos_(table_as_heads(a.cos, a.x.sizes())),
      sin_(table_as_heads(a.sin, a.x.sizes())),
      norm_(a.norm_weight, a.norm_bias, a.norm_eps) {
  job_.x = head_rows(x_);
  job_.cos = head_rows(cos_);
  job_.sin = head_rows(sin_);
  job_.heads = x_.size(1);
  job_.tokens = x_.size(2);
  job_.d = x_.size(3);
  job_.part = job_.d / a.parts();
  job_.normed = a.norm;
  job_.norm = norm_.row();
}

}  // namespace vqt
