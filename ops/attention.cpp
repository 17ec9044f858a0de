// softmax(q k^T * scale) v of heads. q, k and v may have any strides (heads of a fused projection); the result
// has the memory that the next linear reads: the heads of a token side by side. Before it, optionally,
// LayerNorm and rotary position embedding of q and k, row by row while they are quantized. What the kernel does
// not take is computed by torch's ops.
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <string>

#include "cpu/attention/attention_kernel.h"
#include "cpu/scratch.h"
#include "ops/attention_prologue.h"
#include "ops/broadcast.h"
#include "ops/check.h"
#include "ops/heads.h"
#include "ops/huge_pages.h"
#include "ops/kernel_scope.h"
#include "ops/optional_floats.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "attention";
constexpr RotaryNames kNamesOfQ = {kOp, "q", "q_norm_weight", "q_norm_bias"};
constexpr RotaryNames kNamesOfK = {kOp, "k", "k_norm_weight", "k_norm_bias"};

using OptionalTensor = std::optional<at::Tensor>;

// As the schema has them, q and k each with what is done to it.
struct AttentionArgs {
  PrologueArgs q, k;
  const at::Tensor& v;
  std::optional<double> scale;
};

AttentionArgs attention_args(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             std::optional<double> scale, const OptionalTensor& cos,
                             const OptionalTensor& sin, int64_t axes, bool halves, bool norm,
                             const OptionalTensor& q_norm_weight, const OptionalTensor& q_norm_bias,
                             const OptionalTensor& k_norm_weight, const OptionalTensor& k_norm_bias,
                             double norm_eps) {
  return {{kNamesOfQ, q, cos, sin, axes, halves, norm, q_norm_weight, q_norm_bias, norm_eps},
          {kNamesOfK, k, cos, sin, axes, halves, norm, k_norm_weight, k_norm_bias, norm_eps},
          v,
          scale};
}

void check_heads(std::string_view argument, const at::Tensor& x, std::string_view sizes) {
  const std::string expected = "floating-point [" + std::string(sizes) + "]";
  if (!at::isFloatingType(x.scalar_type())) fail_type(kOp, argument, expected, describe(x));
  if (x.dim() < 2) fail_value(kOp, argument, expected, describe(x));
}

// Returns the result's sizes.
c10::SymDimVector check_args(const AttentionArgs& a) {
  const at::Tensor &q = a.q.x, &k = a.k.x, &v = a.v;
  check_heads("q", q, "..., M, D");
  check_heads("k", k, "..., N, D");
  check_heads("v", v, "..., N, D");
  // With a prologue q and k may come in another dtype than they have behind it.
  const auto check_dtype = [&](std::string_view argument, const PrologueArgs& x) {
    if (x.x.scalar_type() == v.scalar_type() || x.changes_x()) return;
    fail_type(kOp, argument, describe(v.scalar_type()) + " as v has", describe(x.x));
  };
  check_dtype("q", a.q);
  check_dtype("k", a.k);
  const c10::SymDimVector q_sizes = check_prologue(a.q), k_sizes = check_prologue(a.k);

  std::ostringstream expected;
  if (k.sym_size(-1) != q.sym_size(-1)) {
    expected << "[..., N, " << q.sym_size(-1) << "] as q has";
    fail_value(kOp, "k", expected.str(), describe(k));
  }
  if (v.sym_size(-2) != k_sizes[k_sizes.size() - 2]) {
    expected << "[..., " << k_sizes[k_sizes.size() - 2] << ", D] as k has";
    fail_value(kOp, "v", expected.str(), describe(v));
  }
  const auto leading = [](c10::SymIntArrayRef x) { return x.slice(0, x.size() - 2); };
  c10::SymDimVector sizes(leading(q_sizes));
  const auto take = [&](std::string_view argument, c10::SymIntArrayRef other, const at::Tensor& x) {
    if (broadcast(sizes, leading(other))) return;
    expected << "leading sizes that broadcast with " << c10::SymIntArrayRef(sizes);
    fail_value(kOp, argument, expected.str(), describe(x));
  };
  take("k", k_sizes, k);
  take("v", v.sym_sizes(), v);
  sizes.push_back(q_sizes[q_sizes.size() - 2]);
  sizes.push_back(v.sym_size(-1));
  return sizes;
}

// sizes [..., H, M, D]; in memory [..., M, H, D].
at::Tensor empty_result(const at::Tensor& v, c10::SymDimVector sizes, at::ScalarType dtype) {
  const size_t rank = sizes.size();
  if (rank < 3) return v.new_empty_symint(sizes, dtype);
  std::swap(sizes[rank - 3], sizes[rank - 2]);
  return v.new_empty_symint(sizes, dtype).transpose(-3, -2);
}

// result: of the right sizes and strides.
at::Tensor attention_in_torch(const AttentionArgs& a, const at::Tensor& result) {
  const at::ScalarType dtype = a.v.scalar_type();
  const at::Tensor q = prologue_in_torch(a.q, dtype), k = prologue_in_torch(a.k, dtype);
  const at::Tensor y = at::scaled_dot_product_attention(q, k, a.v, {}, 0.0, false, a.scale);
  return y.strides() == result.strides() ? y : result.copy_(y);
}

double scale_of(const AttentionArgs& a) {
  return a.scale.value_or(1.0 / std::sqrt(static_cast<double>(a.q.x.size(-1))));
}

bool kernel_takes(const AttentionArgs& a) {
  const int64_t d = a.q.x.size(-1);
  const double scale = scale_of(a);
  return kernel_reads(a.q.x) && kernel_reads(a.k.x) && kernel_reads(a.v) && a.v.size(-1) == d &&
         d <= cpu::kMaxAttentionHeadSize && scale >= 0.0 && scale < HUGE_VALF;
}

// Rows of q are cut here: a multiple of what any kernel computes at once.
constexpr int64_t kRowsPerUnit = 48;

// The kernel's job on all threads. A task is a run of rows through the heads, so that any number of threads has
// equal shares; it packs the heads that it meets. Where heads are few a head is packed by each of its tasks, at
// the same time, which takes no longer than one task packing it while the others wait.
void run_kernel(const cpu::Attention& job) {
  const cpu::AttentionKernel kernel = cpu::best_attention_kernel(job.keys);
  constexpr int64_t kProductsPerTask = 1 << 20;
  const int64_t units = (job.queries + kRowsPerUnit - 1) / kRowsPerUnit;
  const int64_t grain = kProductsPerTask / (kRowsPerUnit * job.keys * job.d) + 1;
  at::parallel_for(0, job.batch * job.heads * units, grain, [&](int64_t begin, int64_t end) {
    auto* packed = static_cast<std::byte*>(cpu::scratch(kernel.packed_bytes(job)));
    for (int64_t head = begin / units; head * units < end; ++head) {
      const int64_t first = std::max(begin - head * units, int64_t{0}),
                    last = std::min(end - head * units, units);
      kernel.pack(job, head, packed);
      kernel.rows(job, head, packed, {first * kRowsPerUnit, std::min(last * kRowsPerUnit, job.queries)});
    }
  });
}

at::Tensor attention_in_integers(const AttentionArgs& a, at::Tensor result) {
  const PrologueRows q(a.q, result.sizes()), k(a.k, result.sizes());
  const at::Tensor v = as_heads(expand_heads(a.v, result.sizes())), out = as_heads(result);
  cpu::Attention job;
  job.batch = out.size(0);
  job.heads = out.size(1);
  job.queries = out.size(2);
  job.keys = v.size(2);
  job.d = out.size(3);
  job.q = q.rows();
  job.k = k.rows();
  job.v = head_rows(v);
  job.scale = static_cast<float>(scale_of(a));
  job.out = out.mutable_data_ptr<float>();
  job.out_batch = out.stride(0);
  job.out_head = out.stride(1);
  job.out_token = out.stride(2);
  run_kernel(job);
  return result.to(a.v.scalar_type());
}

at::Tensor attention_meta(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          std::optional<double> scale, const OptionalTensor& cos, const OptionalTensor& sin,
                          int64_t axes, bool halves, bool norm, const OptionalTensor& q_norm_weight,
                          const OptionalTensor& q_norm_bias, const OptionalTensor& k_norm_weight,
                          const OptionalTensor& k_norm_bias, double norm_eps) {
  const AttentionArgs args = attention_args(q, k, v, scale, cos, sin, axes, halves, norm, q_norm_weight,
                                            q_norm_bias, k_norm_weight, k_norm_bias, norm_eps);
  return empty_result(v, check_args(args), v.scalar_type());
}

at::Tensor attention_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         std::optional<double> scale, const OptionalTensor& cos, const OptionalTensor& sin,
                         int64_t axes, bool halves, bool norm, const OptionalTensor& q_norm_weight,
                         const OptionalTensor& q_norm_bias, const OptionalTensor& k_norm_weight,
                         const OptionalTensor& k_norm_bias, double norm_eps) {
  const KernelScope scope;
  const AttentionArgs args = attention_args(q, k, v, scale, cos, sin, axes, halves, norm, q_norm_weight,
                                            q_norm_bias, k_norm_weight, k_norm_bias, norm_eps);
  const c10::SymDimVector sizes = check_args(args);
  const bool in_integers = kernel_takes(args);
  const at::Tensor result = empty_result(v, sizes, in_integers ? at::kFloat : v.scalar_type());
  // Torch's op divides by zero where there is nothing to do.
  if (result.numel() == 0 || v.numel() == 0) return result.zero_().to(v.scalar_type());
  use_huge_pages(result);
  return in_integers ? attention_in_integers(args, result) : attention_in_torch(args, result);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("attention", &attention_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("attention", &attention_cpu); }

}  // namespace vqt
