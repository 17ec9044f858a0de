// Float tensors to the canonical layout and back, for every scheme.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <atomic>

#include "cpu/quantize/quantize_kernel.h"
#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "ops/values.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

// Of the float tensor: k is its last dimension. A tensor without dimensions is one row of one value.
struct Sizes {
  c10::SymInt n = 1, k = 1;
};

Sizes sizes_of(c10::SymIntArrayRef shape, c10::SymInt k) {
  Sizes s;
  for (size_t i = 0; i + 1 < shape.size(); ++i) s.n = s.n * shape[i];
  s.k = std::move(k);
  return s;
}

void check_rank(std::string_view op, std::string_view argument, const at::Tensor& tensor,
                const Scheme& scheme) {
  if (scheme.granularity != Granularity::kPerTensor && tensor.dim() != 2) {
    fail_value(op, argument, std::string("[N, K] with granularity ") + to_string(scheme.granularity),
               describe(tensor));
  }
  if (scheme.bits == 4 && tensor.dim() == 0)
    fail_value(op, argument, "at least 1 dimension", describe(tensor));
}

// The kernel's view of checked arguments. scale and zero_point are contiguous, and must outlive it.
cpu::Quantized job_of(const Sizes& s, const Scheme& scheme, const at::Tensor& scale,
                      const at::Tensor& zero_point) {
  cpu::Quantized job;
  job.n = s.n.guard_int(__FILE__, __LINE__);
  job.k = s.k.guard_int(__FILE__, __LINE__);
  job.run = values_per_scale(job.n, job.k, scheme);
  job.width = row_width(job.k, scheme);
  job.bits = scheme.bits;
  job.symmetric = scheme.symmetric;
  job.scale = scale.const_data_ptr<float>();
  job.zero = zero_point.const_data_ptr<int32_t>();
  return job;
}

Sizes check_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                     const Scheme& scheme) {
  check_float("quantize", "x", x);
  check_rank("quantize", "x", x, scheme);
  const Sizes s = sizes_of(x.sym_sizes(), x.dim() == 0 ? c10::SymInt(1) : x.sym_size(-1));
  check_scales("quantize", scale, zero_point, scale_count(s.n, s.k, scheme));
  return s;
}

at::Tensor empty_quantized(const at::Tensor& x, const Scheme& scheme) {
  c10::SymDimVector shape(x.sym_sizes());
  if (scheme.bits == 4) shape.back() = (shape.back() + 1) / 2;
  return x.new_empty_symint(shape, canonical_dtype(scheme));
}

at::Tensor quantize_meta(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                         int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size) {
  const Scheme scheme = check_scheme("quantize", bits, symmetric, granularity, group_size);
  check_quantize(x, scale, zero_point, scheme);
  return empty_quantized(x, scheme);
}

at::Tensor quantize_cpu(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                        int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size) {
  const KernelScope scope;
  const Scheme scheme = check_scheme("quantize", bits, symmetric, granularity, group_size);
  const Sizes s = check_quantize(x, scale, zero_point, scheme);
  check_scale_values("quantize", scale, zero_point, scheme);
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const at::Tensor scales = scale.contiguous(), zeros = zero_point.contiguous();
  const at::Tensor q = empty_quantized(values, scheme);
  if (q.numel() == 0) return q;
  const cpu::Quantized job = job_of(s, scheme, scales, zeros);
  const float* data = values.const_data_ptr<float>();
  void* out = q.mutable_data_ptr();
  std::atomic<bool> finite = true;
  at::parallel_for(0, job.n, rows_per_task(job.k), [&](int64_t begin, int64_t end) {
    if (!cpu::quantize_weight_rows(job, data, begin, end, out)) finite = false;
  });
  if (!finite) check_finite("quantize", "x", values);
  return q;
}

struct DequantizeArgs {
  Sizes sizes;
  Scheme scheme;
};

DequantizeArgs check_dequantize(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                                int64_t bits, bool symmetric, std::string_view granularity,
                                int64_t group_size, int64_t k, at::ScalarType dtype) {
  constexpr std::string_view kOp = "dequantize";
  DequantizeArgs a;
  a.scheme = check_scheme(kOp, bits, symmetric, granularity, group_size);
  if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kHalf) {
    fail_type(kOp, "dtype", "float32, bfloat16 or float16", describe(dtype));
  }
  const at::ScalarType stored = canonical_dtype(a.scheme);
  if (q.scalar_type() != stored) {
    fail_type(kOp, "q", describe(stored) + (bits == 4 ? " [..., ceil(K/2)]" : " [..., K]"), describe(q));
  }
  check_rank(kOp, "q", q, a.scheme);
  const c10::SymInt columns = q.dim() == 0 ? c10::SymInt(1) : q.sym_size(-1);
  c10::SymInt whole = bits == 4 ? columns * 2 : columns;
  if (k != -1) {
    if (whole != k && !(bits == 4 && whole == k + 1)) {
      std::ostringstream expected;
      expected << whole;
      if (bits == 4) expected << " or one less";
      fail_value(kOp, "k", expected.str() + " for q " + describe(q), std::to_string(k));
    }
    whole = k;
  }
  a.sizes = sizes_of(q.sym_sizes(), whole);
  check_scales(kOp, scale, zero_point, scale_count(a.sizes.n, a.sizes.k, a.scheme));
  return a;
}

at::Tensor empty_dequantized(const at::Tensor& q, const c10::SymInt& k, at::ScalarType dtype) {
  c10::SymDimVector shape(q.sym_sizes());
  if (!shape.empty()) shape.back() = k;
  return q.new_empty_symint(shape, dtype);
}

at::Tensor dequantize_meta(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                           int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                           int64_t k, at::ScalarType dtype) {
  const DequantizeArgs a =
      check_dequantize(q, scale, zero_point, bits, symmetric, granularity, group_size, k, dtype);
  return empty_dequantized(q, a.sizes.k, dtype);
}

at::Tensor dequantize_cpu(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                          int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                          int64_t k, at::ScalarType dtype) {
  const KernelScope scope;
  const DequantizeArgs a =
      check_dequantize(q, scale, zero_point, bits, symmetric, granularity, group_size, k, dtype);
  const at::Tensor values = q.contiguous(), scales = scale.contiguous(), zeros = zero_point.contiguous();
  const at::Tensor x = empty_dequantized(values, a.sizes.k, at::kFloat);
  if (x.numel() == 0) return x.to(dtype);
  const cpu::Quantized job = job_of(a.sizes, a.scheme, scales, zeros);
  const void* data = values.const_data_ptr();
  float* out = x.mutable_data_ptr<float>();
  at::parallel_for(0, job.n, rows_per_task(job.k), [&](int64_t begin, int64_t end) {
    cpu::dequantize_weight_rows(job, data, begin, end, out + begin * job.k);
  });
  return x.to(dtype);
}

}  // namespace

at::Tensor quantize_tensor(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                           int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("vqt::quantize", "").typed<decltype(quantize_tensor)>();
  return op.call(x, scale, zero_point, bits, symmetric, granularity, group_size);
}

at::Tensor dequantize_tensor(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                             int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                             int64_t k, at::ScalarType dtype) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vqt::dequantize", "")
                             .typed<decltype(dequantize_tensor)>();
  return op.call(q, scale, zero_point, bits, symmetric, granularity, group_size, k, dtype);
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) {
  m.impl("quantize", &quantize_meta);
  m.impl("dequantize", &dequantize_meta);
}

TORCH_LIBRARY_IMPL(vqt, CPU, m) {
  m.impl("quantize", &quantize_cpu);
  m.impl("dequantize", &dequantize_cpu);
}

}  // namespace vqt
