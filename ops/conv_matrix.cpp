// The matrix of a convolution's form (vqt/conv.h) from its float weight: quantized and packed like the weight of
// any linear, it is what conv2d_int8 and conv_transpose2d_int8 read.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <stdexcept>
#include <string>

#include "cpu/conv/winograd_weight.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "vqt/conv_matrix.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "conv_matrix";

ConvForm check_args(const at::Tensor& weight, std::string_view name) {
  check_float(kOp, "weight", weight);
  if (weight.dim() != 4)
    fail_value(kOp, "weight", "[N, C, kh, kw] (transposed: [C, N, kh, kw])", describe(weight));
  ConvForm form;
  try {
    form = conv_form_from(std::string(name));
  } catch (const std::invalid_argument&) {
    fail_value(kOp, "form", "pointwise, winograd, windows or transposed", quoted(name));
  }
  const c10::SymInt height = weight.sym_size(2), width = weight.sym_size(3);
  if (form == ConvForm::kPointwise && (height != 1 || width != 1))
    fail_value(kOp, "weight", "[N, C, 1, 1] with form=\"pointwise\"", describe(weight));
  if (form == ConvForm::kWinograd && (height != 3 || width != 3))
    fail_value(kOp, "weight", "[N, C, 3, 3] with form=\"winograd\"", describe(weight));
  return form;
}

at::Tensor winograd_matrix(const at::Tensor& weight) {
  const int64_t n = weight.size(0), c = weight.size(1);
  const at::Tensor g = weight.to(at::kFloat).contiguous();
  const ConvMatrixSize size = conv_matrix_size(ConvForm::kWinograd, n, c, {3, 3});
  const at::Tensor u = at::zeros({size.rows, size.columns}, g.options());
  const float* from = g.const_data_ptr<float>();
  float* const to = u.mutable_data_ptr<float>();
  at::parallel_for(0, n, rows_per_task(9 * c), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      cpu::winograd_weight(from + i * 9 * c, c, to + i * c, size.rows / 16 * c);
  });
  return u;
}

at::Tensor conv_matrix_meta(const at::Tensor& weight, std::string_view name) {
  const ConvForm form = check_args(weight, name);
  const auto size = [&](int64_t i) { return weight.sym_size(i).guard_int(__FILE__, __LINE__); };
  const bool transposed = form == ConvForm::kTransposed;
  const ConvMatrixSize m =
      conv_matrix_size(form, size(transposed ? 1 : 0), size(transposed ? 0 : 1), {size(2), size(3)});
  return at::empty({m.rows, m.columns}, weight.options().dtype(at::kFloat));
}

at::Tensor conv_matrix_cpu(const at::Tensor& weight, std::string_view name) {
  const KernelScope scope;
  switch (check_args(weight, name)) {
    case ConvForm::kPointwise:
      return weight.to(at::kFloat).flatten(1).clone(at::MemoryFormat::Contiguous);
    case ConvForm::kWinograd:
      return winograd_matrix(weight);
    case ConvForm::kWindows:  // [N, kh, kw, C]
      return weight.to(at::kFloat).permute({0, 2, 3, 1}).clone(at::MemoryFormat::Contiguous).flatten(1);
    case ConvForm::kTransposed:  // [kh, kw, N, C]
      return weight.to(at::kFloat).permute({2, 3, 1, 0}).clone(at::MemoryFormat::Contiguous).flatten(0, 2);
  }
  return {};
}

}  // namespace

at::Tensor conv_matrix(const at::Tensor& weight, ConvForm form) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vqt::conv_matrix", "")
                             .typed<at::Tensor(const at::Tensor&, std::string_view)>();
  return op.call(weight, to_string(form));
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("conv_matrix", &conv_matrix_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("conv_matrix", &conv_matrix_cpu); }

}  // namespace vqt
