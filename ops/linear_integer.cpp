#include "ops/linear_integer.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>

#include <algorithm>
#include <vector>

#include "cpu/layout/sum_depth.h"
#include "cpu/linear/linear_canonical_kernel.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "ops/kernel_scope.h"
#include "ops/optional_floats.h"
#include "ops/quantize_activation.h"
#include "ops/weight_only.h"

namespace vqt {
namespace {

void run_canonical(const LinearCall& call) {
  const cpu::PackedHeader& h = call.weight.header;
  const cpu::PackedSections s = cpu::sections(h);
  std::vector<float> scale(s.scales);
  std::vector<int32_t> zero(s.scales);
  std::vector<uint8_t> canonical(cpu::canonical_bytes(h.n, h.k, h.bits));
  cpu::unpack(call.weight.block, canonical.data(), scale.data(), zero.data());
  cpu::LinearCanonical job;
  job.k = h.k;
  job.x = call.x;
  job.bits = h.bits;
  job.symmetric = h.symmetric != 0;
  job.w = canonical.data();
  job.run = values_per_scale(h.n, h.k, cpu::scheme_of(h));
  job.w_scale = scale.data();
  job.w_zero = zero.data();
  job.out = call.out;
  at::parallel_for(call.rows.begin, call.rows.end, 1, [&](int64_t begin, int64_t end) {
    cpu::linear_canonical(job, {0, call.x.rows}, {begin, end});
  });
}

void check_depth(std::string_view op, const cpu::PackedHeader& h, ActivationMode activation) {
  const Scheme scheme = cpu::scheme_of(h);
  const cpu::SumDepth sum = cpu::sum_depth(h.k, scheme, h.layout, activation);
  if (sum.exact()) return;
  fail_value(op, "weight",
             "at most " + std::to_string(sum.limit) + " columns " + (h.bits == 4 ? "in a group " : "") +
                 "with " + (h.symmetric ? "" : "a") +
                 "symmetric weights and integer activations (activation=\"none\" has no limit)",
             std::to_string(sum.depth));
}

// What the epilogue does, in torch's ops: y is float32 and holds the bias.
at::Tensor compose(const LinearCase& c, const LinearArgs& args, at::Tensor y) {
  if (c.post_op == cpu::PostOp::kGelu) y = at::gelu(y);
  if (c.post_op == cpu::PostOp::kRelu) y = at::relu(y);
  if (args.gamma.has_value()) y = at::mul(y, args.gamma->to(at::kFloat));
  if (args.residual.has_value()) y = at::add(*args.residual, y);
  return c.quantized_y ? quantize_activation(y, *c.quantized_y) : y.to(c.dtype);
}

at::Tensor linear_float(const PackedBlock& weight, const at::Tensor& x, const LinearCase& c,
                        const LinearArgs& args) {
  const bool plain = c.post_op == cpu::PostOp::kNone && !args.gamma.has_value() &&
                     !args.residual.has_value() && !c.quantized_y;
  const at::Tensor values = plain ? x : x.to(at::kFloat);  // one rounding to x's dtype, at the end
  const at::Tensor y = weight_only_linear(values, weight, c.rows, args.bias);
  return plain ? y : compose(c, args, y);
}

// The result, and the epilogue that leads to it with the tensors it reads.
struct Result {
  at::Tensor out;  // float32, or a quantized activation
  at::Tensor bias, gamma, residual;
  cpu::Epilogue epilogue;
};

// sizes: the product's. A residual that would broadcast it, or is wider than float32, is not in the epilogue.
Result make_result(const LinearCase& c, const LinearArgs& args, const std::vector<int64_t>& sizes) {
  Result r;
  cpu::Epilogue& e = r.epilogue;
  e.first_column = c.rows.begin;
  r.bias = as_floats(args.bias);
  e.bias = data_or_null(r.bias);
  e.post_op = c.post_op;
  r.gamma = as_floats(args.gamma);
  e.gamma = data_or_null(r.gamma);
  if (args.residual.has_value() && args.residual->sizes() == sizes &&
      args.residual->scalar_type() != at::kDouble) {
    r.residual = as_floats(args.residual);
    e.residual = data_or_null(r.residual);
    e.residual_stride = sizes.back();
  }
  if (!c.quantized_y) {
    r.out = at::empty(sizes, at::TensorOptions(at::kFloat));
    e.y = r.out.mutable_data_ptr<float>();
    e.y_stride = sizes.back();
    return r;
  }
  r.out = empty_activation(sizes);
  e.q = activation_view(r.out, sizes.back());
  e.y_scale = c.quantized_y->scale;
  e.y_symmetric = c.quantized_y->symmetric;
  e.y_zero = e.y_symmetric ? 128 : c.quantized_y->zero;
  cpu::begin_static(e.q, sizes.back(), e.y_scale, e.y_zero);
  return r;
}

// Sums of x's rows, where the linear that stored them left them out.
at::Tensor missing_sums(const cpu::PackedHeader& h, const cpu::ActivationRows& x) {
  const bool wanted = h.layout == cpu::Layout::kCpuInt8 && !h.symmetric;
  if (!wanted || x.rows == 0 || x.sum[0] >= 0) return {};
  const at::Tensor sums = at::empty({x.rows}, at::TensorOptions(at::kInt));
  int32_t* out = sums.mutable_data_ptr<int32_t>();
  at::parallel_for(0, x.rows, rows_per_task(x.k_pad),
                   [&](int64_t begin, int64_t end) { cpu::sum_rows(x, begin, end, out); });
  return sums;
}

}  // namespace

at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& x, const at::Tensor& weight,
                          const LinearArgs& args, RunLinear run) {
  const KernelScope scope;
  PackedBlock packed = open_packed(op, "weight", weight);
  if (reinterpret_cast<uintptr_t>(packed.block) % alignof(float) != 0) {  // a view into somebody's storage
    packed.bytes = packed.bytes.clone();
    packed.block = packed.bytes.const_data_ptr<uint8_t>();
  }
  const cpu::PackedHeader& h = packed.header;
  if (h.bits != bits) {
    fail_value(op, "weight", "a packed weight of " + std::to_string(bits) + " bits",
               "one of " + std::to_string(h.bits) + " bits (see linear_int" + std::to_string(h.bits) + ")");
  }
  const LinearCase c = check_linear(op, x, h.n, args);
  if (!c.quantized_x) check_x(op, x, h.k);
  if (c.activation.mode == ActivationMode::kNone) return linear_float(packed, x, c, args);
  check_depth(op, h, c.activation.mode);

  const at::Tensor activation =
      c.quantized_x ? check_quantized_x(op, x, h.k) : quantize_activation(x, c.activation);
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = c.rows.size();
  const Result result = make_result(c, args, sizes);
  LinearCall call = {packed, activation_view(activation, h.k), c.rows, result.epilogue};
  const at::Tensor sums = missing_sums(h, call.x);
  if (sums.defined()) call.x.sum = sums.mutable_data_ptr<int32_t>();
  if (call.x.rows > 0 && c.rows.size() > 0) (h.layout == cpu::Layout::kCanonical ? run_canonical : run)(call);
  if (c.quantized_y) {
    cpu::clear_nan_rows(result.epilogue.q);
    return result.out;
  }
  const bool add = args.residual.has_value() && result.epilogue.residual == nullptr;
  return (add ? at::add(*args.residual, result.out) : result.out).to(c.dtype);
}

at::Tensor linear_meta(std::string_view op, const at::Tensor& x, const at::Tensor& weight,
                       const LinearArgs& args) {
  const LinearCase c = check_linear(op, x, weight.sym_size(0).guard_int(__FILE__, __LINE__), args);
  return x.new_empty_symint(c.sizes, c.dtype);
}

}  // namespace vqt
