#include "ops/attention_prologue.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/layer_norm.h>

#include <string>

#include "ops/check.h"
#include "ops/heads.h"
#include "ops/optional_floats.h"

namespace vqt {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

RotaryArgs rotary_args(const PrologueArgs& a, const at::Tensor& x) {
  return {x, *a.cos, *a.sin, a.axes, a.norm, a.norm_weight, a.norm_bias, a.norm_eps, false, a.halves};
}

at::Tensor rotary(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes, bool norm,
                  const OptionalTensor& norm_weight, const OptionalTensor& norm_bias, double norm_eps,
                  bool promote, bool halves) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("vqt::rotary", "").typed<decltype(rotary)>();
  return op.call(x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps, promote, halves);
}

}  // namespace

c10::SymDimVector check_prologue(const PrologueArgs& a) {
  if (a.cos.has_value() != a.sin.has_value()) {
    fail_value(a.names.op, "sin", a.cos.has_value() ? "a tensor, as cos is one" : "None, as cos is",
               a.sin.has_value() ? describe(*a.sin) : "None");
  }
  if (a.cos.has_value()) return check_rotary(a.names, rotary_args(a, a.x));
  check_rotary_norm(a.names, a.x, a.norm, a.norm_weight, a.norm_bias, a.norm_eps);
  return c10::SymDimVector(a.x.sym_sizes());
}

at::Tensor prologue_in_torch(const PrologueArgs& a, at::ScalarType dtype) {
  const at::Tensor x = a.x.to(dtype);
  if (a.cos.has_value()) {
    return rotary(x, *a.cos, *a.sin, a.axes, a.norm, a.norm_weight, a.norm_bias, a.norm_eps, false, a.halves);
  }
  return a.norm ? at::layer_norm(x, {x.size(-1)}, a.norm_weight, a.norm_bias, a.norm_eps) : x;
}

PrologueRows::PrologueRows(const PrologueArgs& a, c10::IntArrayRef result) {
  const at::Tensor x = expand_heads(a.x, result);
  const bool reads_norm = kernel_reads(a.norm_weight) && kernel_reads(a.norm_bias);
  if (a.cos.has_value()) {
    const RotaryArgs args = rotary_args(a, x);
    if (rotary_kernel_takes(args, check_rotary(a.names, args))) rotary_.emplace(args);
  } else if (a.norm && reads_norm) {
    norm_.emplace(a.norm_weight, a.norm_bias, a.norm_eps);
  }
  const bool made = rotary_.has_value() || norm_.has_value() || !a.changes_x();
  heads_ = as_heads(made ? x : expand_heads(prologue_in_torch(a, at::kFloat), result));
}

cpu::AttentionRows PrologueRows::rows() const {
  if (rotary_.has_value()) return {{}, &rotate, this};
  if (norm_.has_value()) return {{}, &normalise, this};
  return {head_rows(heads_), nullptr, nullptr};
}

// The kernel's heads are the tokens of this head: it takes the moments of several heads at once.
void PrologueRows::rotate(const void* self, int64_t batch, int64_t head, cpu::Range tokens, float* to) {
  cpu::Rotary job = static_cast<const PrologueRows*>(self)->rotary_->job();
  constexpr int64_t kPrefetchedRows = 8;  // half of how far ahead of it the kernel prefetches
  const auto along_tokens = [&](const cpu::HeadRows& rows) -> cpu::HeadRows {
    return {rows.row(batch, head, tokens.begin), 0, rows.token, kPrefetchedRows * rows.token};
  };
  job.x = along_tokens(job.x);
  job.cos = along_tokens(job.cos);
  job.sin = along_tokens(job.sin);
  job.heads = tokens.size();
  job.tokens = 1;
  job.y = to;
  cpu::rotary_kernel(cpu::best_isa())(job, {0, 1});
}

void PrologueRows::normalise(const void* self, int64_t batch, int64_t head, cpu::Range tokens, float* to) {
  const auto& rows = *static_cast<const PrologueRows*>(self);
  const cpu::HeadRows heads = head_rows(rows.heads_);
  cpu::LayerNorm job;
  job.x = heads.row(batch, head, tokens.begin);
  job.x_stride = heads.token;
  job.y = to;
  job.k = rows.heads_.size(-1);
  job.norm = rows.norm_->row();
  cpu::layer_norm_kernel(cpu::best_isa())(job, {0, tokens.size()});
}

}  // namespace vqt
