// Dynamic quantization of activations: a scale and a zero point for each row of x.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>

#include "cpu/quantize/quantize_per_token_kernel.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

using PerToken = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

void check_args(const at::Tensor& x) {
  check_float("quantize_per_token", "x", x);
  if (x.dim() == 0) fail_value("quantize_per_token", "x", "at least 1 dimension", describe(x));
}

PerToken empty_outputs(const at::Tensor& x, bool symmetric) {
  c10::SymDimVector rows(x.sym_sizes());
  rows.back() = 1;
  return {x.new_empty_symint(x.sym_sizes(), symmetric ? at::kChar : at::kByte),
          x.new_empty_symint(rows, at::kFloat), x.new_empty_symint(rows, at::kInt)};
}

PerToken quantize_per_token_meta(const at::Tensor& x, bool symmetric) {
  check_args(x);
  return empty_outputs(x, symmetric);
}

// The kernel stores q + 128 with zero 128; a row of NaN is 0 already.
void shift_to_signed(const cpu::QuantizeRowsJob& job, int64_t row_begin, int64_t row_end) {
  const int64_t k = job.k;  // a local: writing bytes may change job, as far as the compiler knows
  for (int64_t row = row_begin; row < row_end; ++row) {
    job.out.zero[row] = 0;
    if (std::isnan(job.out.scale[row])) continue;
    uint8_t* q = job.out.q + row * job.k;
    for (int64_t i = 0; i < k; ++i) q[i] ^= 0x80;
  }
}

PerToken quantize_per_token_cpu(const at::Tensor& x, bool symmetric) {
  const KernelScope scope;
  check_args(x);
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const PerToken out = empty_outputs(values, symmetric);
  cpu::QuantizeRowsJob job;
  job.x = values.const_data_ptr<float>();
  job.x_stride = job.k = x.size(-1);
  job.symmetric = symmetric;
  job.out.rows = std::get<1>(out).numel();
  job.out.k_pad = job.k;
  job.out.q = static_cast<uint8_t*>(std::get<0>(out).mutable_data_ptr());
  job.out.scale = std::get<1>(out).mutable_data_ptr<float>();
  job.out.zero = std::get<2>(out).mutable_data_ptr<int32_t>();
  const cpu::QuantizeRowsFn kernel = cpu::quantize_rows_kernel(cpu::best_isa());
  at::parallel_for(0, job.out.rows, rows_per_task(job.k), [&](int64_t begin, int64_t end) {
    kernel(job, begin, end);
    if (symmetric) shift_to_signed(job, begin, end);
  });
  return out;
}

}  // namespace

PerToken quantize_per_token(const at::Tensor& x, bool symmetric) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vqt::quantize_per_token", "")
                             .typed<decltype(quantize_per_token)>();
  return op.call(x, symmetric);
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("quantize_per_token", &quantize_per_token_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("quantize_per_token", &quantize_per_token_cpu); }

}  // namespace vqt
