// Scale and zero point of a tensor for a scheme.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>

#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "ops/values.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "choose_qparams";
constexpr int64_t kValuesPerTask = 1 << 16;

Scheme check_args(const at::Tensor& x, int64_t bits, bool symmetric, std::string_view granularity,
                  int64_t group_size) {
  const Scheme scheme = check_scheme(kOp, bits, symmetric, granularity, group_size);
  check_float(kOp, "x", x);
  if (scheme.granularity != Granularity::kPerTensor && x.dim() != 2) {
    fail_value(kOp, "x", "[N, K] with granularity " + std::string(granularity), describe(x));
  }
  return scheme;
}

// x as the rows of a weight; without rows of its own (per tensor) it is one.
struct Sizes {
  c10::SymInt n, k;
};
Sizes sizes_of(const at::Tensor& x) {
  if (x.dim() == 2) return {x.sym_size(0), x.sym_size(1)};
  return {1, x.sym_numel()};
}

std::tuple<at::Tensor, at::Tensor> choose_qparams_meta(const at::Tensor& x, int64_t bits, bool symmetric,
                                                       std::string_view granularity, int64_t group_size) {
  const Scheme scheme = check_args(x, bits, symmetric, granularity, group_size);
  const Sizes sizes = sizes_of(x);
  const c10::SymInt scales = scale_count(sizes.n, sizes.k, scheme);
  return {x.new_empty_symint({scales}, at::kFloat), x.new_empty_symint({scales}, at::kInt)};
}

std::tuple<at::Tensor, at::Tensor> choose_qparams_cpu(const at::Tensor& x, int64_t bits, bool symmetric,
                                                      std::string_view granularity, int64_t group_size) {
  const KernelScope scope;
  const Scheme scheme = check_args(x, bits, symmetric, granularity, group_size);
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const float* data = values.const_data_ptr<float>();
  const Sizes sizes = sizes_of(x);
  const int64_t n = sizes.n.expect_int(), k = sizes.k.expect_int();
  const int64_t scales = scale_count(n, k, scheme);
  const at::Tensor scale = at::empty({scales}, values.options());
  const at::Tensor zero_point = at::empty({scales}, values.options().dtype(at::kInt));
  float* scale_data = scale.mutable_data_ptr<float>();
  int32_t* zero_data = zero_point.mutable_data_ptr<int32_t>();
  std::atomic<bool> finite = true;
  const auto store = [&](int64_t i, const cpu::ValueRange& range) {
    const cpu::Qparams q = cpu::qparams_of(range, bits, symmetric);
    scale_data[i] = q.scale;
    zero_data[i] = q.zero;
    if (range.nonfinite > 0) finite = false;
  };
  if (scheme.granularity == Granularity::kPerTensor) {
    store(0, tensor_range(values));
  } else {
    const int64_t run = values_per_scale(n, k, scheme);
    const int64_t width = std::max<int64_t>(row_width(k, scheme), 1);  // 0: of empty rows
    at::parallel_for(0, scales, std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(run, 1)),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const int64_t row = i * run / width, first = i * run % width;
                         store(i, cpu::value_range(data + row * k + first, std::min(run, k - first)));
                       }
                     });
  }
  if (!finite) check_finite(kOp, "x", values);
  return {scale, zero_point};
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> choose_qparams(const at::Tensor& x, int64_t bits, bool symmetric,
                                                  std::string_view granularity, int64_t group_size) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vqt::choose_qparams", "")
                             .typed<decltype(choose_qparams)>();
  return op.call(x, bits, symmetric, granularity, group_size);
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("choose_qparams", &choose_qparams_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("choose_qparams", &choose_qparams_cpu); }

}  // namespace vqt
