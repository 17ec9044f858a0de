// Statistics of an activation during calibration, added to a small tensor: the only op that changes an
// argument, which keeps memory small however many images are seen.
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <algorithm>

#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/values.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "observe";

void check_args(const at::Tensor& x, const at::Tensor& statistics, std::string_view method) {
  check_float(kOp, "x", x);
  check_tensor(kOp, "statistics", statistics, at::kFloat, 1,
               "[4] = {min, max, values seen, NaN or Inf among them}");
  if (statistics.sym_size(0) != 4) {
    fail_value(kOp, "statistics", "float32 [4] = {min, max, values seen, NaN or Inf among them}",
               describe(statistics));
  }
  if (method != "minmax") fail_value(kOp, "method", "minmax, the only method", quoted(method));
}

void observe_meta(const at::Tensor& x, const at::Tensor& statistics, std::string_view method) {
  check_args(x, statistics, method);
}

void observe_cpu(const at::Tensor& x, const at::Tensor& statistics, std::string_view method) {
  const KernelScope scope;
  check_args(x, statistics, method);
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const cpu::ValueRange range = tensor_range(values);
  float* s = statistics.mutable_data_ptr<float>();
  const int64_t step = statistics.stride(0);
  s[0] = std::min(s[0], range.min);
  s[step] = std::max(s[step], range.max);
  s[2 * step] += static_cast<float>(values.numel());
  s[3 * step] += static_cast<float>(range.nonfinite);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("observe", &observe_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("observe", &observe_cpu); }

}  // namespace vqt
