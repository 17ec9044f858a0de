// softmax(q k^T * scale) v of heads. q, k and v may have any strides (heads of a fused projection); the result
// has the memory that the next linear reads: the heads of a token side by side. Before it, optionally,
// LayerNorm and rotary position embedding of q and k.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>

#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "attention";

using OptionalTensor = std::optional<at::Tensor>;

// As the schema has them.
struct AttentionArgs {
  const at::Tensor &q, &k, &v;
  std::optional<double> scale;
  const OptionalTensor &cos, &sin;
  int64_t axes;
  bool halves, norm;
  const OptionalTensor &q_norm_weight, &q_norm_bias, &k_norm_weight, &k_norm_bias;
  double norm_eps;

  bool has_prologue() const { return norm || cos.has_value(); }
};

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes, bool norm,
                  const OptionalTensor& norm_weight, const OptionalTensor& norm_bias, double norm_eps,
                  bool promote, bool halves) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("vqt::rotary", "").typed<decltype(rotary)>();
  return op.call(x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps, promote, halves);
}

// q or k as it enters the product.
at::Tensor with_prologue(const AttentionArgs& a, const at::Tensor& x, const OptionalTensor& norm_weight,
                         const OptionalTensor& norm_bias) {
  if (!a.has_prologue()) return x;
  const at::Tensor y = x.to(a.v.scalar_type());
  if (!a.cos.has_value()) {
    return at::layer_norm_symint(y, {y.sym_size(-1)}, norm_weight, norm_bias, a.norm_eps);
  }
  return rotary(y, *a.cos, *a.sin, a.axes, a.norm, norm_weight, norm_bias, a.norm_eps, false, a.halves);
}

void check_heads(std::string_view argument, const at::Tensor& x, std::string_view sizes) {
  const std::string expected = "floating-point [" + std::string(sizes) + "]";
  if (!at::isFloatingType(x.scalar_type())) fail_type(kOp, argument, expected, describe(x));
  if (x.dim() < 2) fail_value(kOp, argument, expected, describe(x));
}

void check_args(const AttentionArgs& a) {
  check_heads("q", a.q, "..., M, D");
  check_heads("k", a.k, "..., N, D");
  check_heads("v", a.v, "..., N, D");
  // With a prologue q and k may come in another dtype than they have behind it.
  const auto check_dtype = [&](std::string_view argument, const at::Tensor& x) {
    if (x.scalar_type() == a.v.scalar_type() || a.has_prologue()) return;
    fail_type(kOp, argument, describe(a.v.scalar_type()) + " as v has", describe(x));
  };
  check_dtype("q", a.q);
  check_dtype("k", a.k);
  if (a.cos.has_value() != a.sin.has_value()) {
    fail_value(kOp, "sin", a.cos.has_value() ? "a tensor, as cos is one" : "None, as cos is",
               a.sin.has_value() ? describe(*a.sin) : "None");
  }
}

// The sizes of the result of q and k behind the prologue.
c10::SymDimVector check_sizes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  std::ostringstream expected;
  if (k.sym_size(-1) != q.sym_size(-1)) {
    expected << "[..., N, " << q.sym_size(-1) << "] as q has";
    fail_value(kOp, "k", expected.str(), describe(k));
  }
  if (v.sym_size(-2) != k.sym_size(-2)) {
    expected << "[..., " << k.sym_size(-2) << ", D] as k has";
    fail_value(kOp, "v", expected.str(), describe(v));
  }
  const auto leading = [](const at::Tensor& x) { return x.sym_sizes().slice(0, x.dim() - 2); };
  c10::SymDimVector sizes(leading(q));
  const auto take = [&](std::string_view argument, const at::Tensor& x) {
    if (broadcast(sizes, leading(x))) return;
    expected << "leading sizes that broadcast with " << c10::SymIntArrayRef(sizes);
    fail_value(kOp, argument, expected.str(), describe(x));
  };
  take("k", k);
  take("v", v);
  sizes.push_back(q.sym_size(-2));
  sizes.push_back(v.sym_size(-1));
  return sizes;
}

// sizes [..., H, M, D]; in memory [..., M, H, D].
at::Tensor empty_result(const at::Tensor& v, c10::SymDimVector sizes) {
  const size_t rank = sizes.size();
  if (rank < 3) return v.new_empty_symint(sizes);
  std::swap(sizes[rank - 3], sizes[rank - 2]);
  return v.new_empty_symint(sizes).transpose(-3, -2);
}

at::Tensor attention_in_torch(const AttentionArgs& a, const at::Tensor& q, const at::Tensor& k) {
  const at::Tensor y = at::scaled_dot_product_attention(q, k, a.v, {}, 0.0, false, a.scale);
  const at::Tensor result = empty_result(a.v, c10::SymDimVector(y.sym_sizes()));
  return y.strides() == result.strides() ? y : result.copy_(y);
}

at::Tensor attention_meta(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          std::optional<double> scale, const OptionalTensor& cos, const OptionalTensor& sin,
                          int64_t axes, bool halves, bool norm, const OptionalTensor& q_norm_weight,
                          const OptionalTensor& q_norm_bias, const OptionalTensor& k_norm_weight,
                          const OptionalTensor& k_norm_bias, double norm_eps) {
  const AttentionArgs a = {q,           k,       v,    scale,         cos,         sin,
                           axes,        halves,  norm, q_norm_weight, q_norm_bias, k_norm_weight,
                           k_norm_bias, norm_eps};
  check_args(a);
  return empty_result(v, check_sizes(with_prologue(a, q, q_norm_weight, q_norm_bias),
                                     with_prologue(a, k, k_norm_weight, k_norm_bias), v));
}

at::Tensor attention_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         std::optional<double> scale, const OptionalTensor& cos, const OptionalTensor& sin,
                         int64_t axes, bool halves, bool norm, const OptionalTensor& q_norm_weight,
                         const OptionalTensor& q_norm_bias, const OptionalTensor& k_norm_weight,
                         const OptionalTensor& k_norm_bias, double norm_eps) {
  const KernelScope scope;
  const AttentionArgs a = {q,           k,       v,    scale,         cos,         sin,
                           axes,        halves,  norm, q_norm_weight, q_norm_bias, k_norm_weight,
                           k_norm_bias, norm_eps};
  check_args(a);
  const at::Tensor ready_q = with_prologue(a, q, q_norm_weight, q_norm_bias);
  const at::Tensor ready_k = with_prologue(a, k, k_norm_weight, k_norm_bias);
  const at::Tensor result = empty_result(v, check_sizes(ready_q, ready_k, v));
  // torch's op divides by zero where there is nothing to do.
  if (result.numel() == 0 || v.numel() == 0) return result.zero_();
  return attention_in_torch(a, ready_q, ready_k);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("attention", &attention_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("attention", &attention_cpu); }

}  // namespace vqt
