// Rotary position embedding of x [..., T, D] in one pass, optionally with LayerNorm over D before it. x may
// have any strides (heads of a fused projection); y is contiguous. What the kernel does not take is computed by
// the same steps in torch's ops.
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "ops/rotary_args.h"

namespace vqt {
namespace {

constexpr RotaryNames kNames = {"rotary", "x", "norm_weight", "norm_bias"};

using OptionalTensor = std::optional<at::Tensor>;

at::Tensor rotary_meta(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t axes,
                       bool norm, const OptionalTensor& norm_weight, const OptionalTensor& norm_bias,
                       double norm_eps, bool promote, bool halves) {
  const RotaryArgs args = {x, cos, sin, axes, norm, norm_weight, norm_bias, norm_eps, promote, halves};
  return x.new_empty_symint(check_rotary(kNames, args), rotary_dtype(args));
}

at::Tensor run_kernel(const RotaryArgs& a) {
  const at::Tensor y = at::empty(a.x.sizes(), a.x.options().dtype(at::kFloat));
  if (y.numel() == 0) return y;
  const RotaryJob rotary(a);
  cpu::Rotary job = rotary.job();
  job.y = y.mutable_data_ptr<float>();
  const cpu::RotaryFn kernel = cpu::rotary_kernel(cpu::best_isa());
  at::parallel_for(0, rotary.batch() * job.tokens, rows_per_task(job.heads * job.d),
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
  if (!rotary_kernel_takes(args, check_rotary(kNames, args))) return rotary_in_torch(args);
  return run_kernel(args).to(rotary_dtype(args));
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("rotary", &rotary_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("rotary", &rotary_cpu); }

}  // namespace vqt
