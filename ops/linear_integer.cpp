#include "linear_integer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "cpu/linear_canonical_kernel.h"
#include "cpu/linear_int4_kernel.h"
#include "cpu/linear_int8_kernel.h"
#include "cpu/quantize_per_token_kernel.h"
#include "kernel_scope.h"
#include "parallel.h"
#include "weight_only.h"

namespace vqt {
namespace {

constexpr int64_t kValuesPerTask = 1 << 15;

// x: float32 [rows, k], dense. The block holds what the view points to.
struct QuantizedX {
  at::Tensor block;
  cpu::ActivationRows rows;
};
QuantizedX quantize_x(const at::Tensor& x, const ActivationArgs& activation) {
  const int64_t rows = x.size(0), k = x.size(1);
  QuantizedX out;
  out.block = at::empty({rows, cpu::activation_bytes_per_row(k)}, x.options().dtype(at::kByte));
  out.rows = cpu::activation_rows(out.block.mutable_data_ptr<uint8_t>(), rows, k,
                                  cpu::activation_tile(cpu::best_isa()));
  cpu::QuantizeRows job;
  job.out = out.rows;
  job.x = x.const_data_ptr<float>();
  job.x_stride = job.k = k;
  job.symmetric = activation.symmetric;
  job.dynamic = activation.mode == Activation::kDynamic;
  job.static_scale = activation.scale;
  job.static_zero = activation.zero;
  const cpu::QuantizeRowsFn kernel = cpu::quantize_rows_kernel(cpu::best_isa());
  at::parallel_for(0, rows, std::max<int64_t>(1, kValuesPerTask / k),
                   [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  return out;
}

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
  job.run = h.granularity == Granularity::kPerTensor ? h.n * h.k : cpu::row_group(h);
  job.w_scale = scale.data();
  job.w_zero = zero.data();
  job.out = call.out;
  at::parallel_for(call.rows.begin, call.rows.end, 1, [&](int64_t begin, int64_t end) {
    cpu::linear_canonical(job, {0, call.x.rows}, {begin, end});
  });
}

// Beyond it the int32 sums could wrap.
void check_depth(std::string_view op, const cpu::PackedHeader& h) {
  const int64_t most = h.layout == cpu::Layout::kCanonical ? std::numeric_limits<int64_t>::max()
                       : h.bits == 4                       ? cpu::kMaxGroupInt4
                       : h.symmetric                       ? cpu::kMaxDepthSymmetric
                                                           : cpu::kMaxDepthAsymmetric;
  if (h.k <= most) return;
  fail_value(op, "weight",
             "at most " + std::to_string(most) + " columns with " + (h.symmetric ? "" : "a") +
                 "symmetric weights and integer activations (activation=\"none\" has no limit)",
             std::to_string(h.k));
}

}  // namespace

ActivationArgs check_activation_args(std::string_view op, std::string_view activation, bool symmetric,
                                     double x_scale, int64_t x_zero_point) {
  ActivationArgs args;
  args.mode = check_activation(op, activation);
  args.symmetric = symmetric;
  if (args.mode != Activation::kStatic) {
    const std::string expected = "0 with activation=" + quoted(activation) + " (only \"static\" uses it)";
    if (x_scale != 0.0) fail_value(op, "x_scale", expected, std::to_string(x_scale));
    if (x_zero_point != 0) fail_value(op, "x_zero_point", expected, std::to_string(x_zero_point));
    return args;
  }
  args.scale = static_cast<float>(x_scale);
  if (!(args.scale > 0.0f && std::isfinite(args.scale))) {
    fail_value(op, "x_scale", "a positive float32 with activation=\"static\"", std::to_string(x_scale));
  }
  if (x_zero_point < 0 || x_zero_point > (symmetric ? 0 : 255)) {
    fail_value(op, "x_zero_point", symmetric ? "0 with activation_symmetric" : "0 to 255",
               std::to_string(x_zero_point));
  }
  args.zero = static_cast<int32_t>(x_zero_point);
  return args;
}

at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& x, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, const ActivationArgs& activation,
                          int64_t row_begin, int64_t row_end, RunLinear run) {
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
  check_x(op, x, h.k);
  const RowSlice rows = check_rows(op, row_begin, row_end, h.n);
  check_bias(op, bias, rows.size());
  if (activation.mode == Activation::kNone) {
    const auto dequantize = [&](int64_t begin, int64_t end, float* out) {
      cpu::dequantize_packed(packed.block, begin, end, out);
    };
    return weight_only_linear(x, rows.begin, rows.end, dequantize, bias);
  }
  check_depth(op, h);

  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = rows.size();
  const int64_t m = x.numel() / h.k;
  const at::Tensor values = x.to(at::kFloat).reshape({m, h.k}).contiguous();
  const at::Tensor bias_values = bias.has_value() ? bias->to(at::kFloat).contiguous() : at::Tensor();
  const at::Tensor y = at::empty({m, rows.size()}, values.options());
  if (y.numel() > 0) {
    const QuantizedX quantized = quantize_x(values, activation);
    cpu::Epilogue out;
    out.first_column = rows.begin;
    out.bias = bias.has_value() ? bias_values.const_data_ptr<float>() : nullptr;
    out.y = y.mutable_data_ptr<float>();
    out.y_stride = rows.size();
    const LinearCall call = {packed, quantized.rows, rows, out};
    (h.layout == cpu::Layout::kCanonical ? run_canonical : run)(call);
  }
  return y.view(sizes).to(x.scalar_type());
}

at::Tensor linear_meta(std::string_view op, const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, int64_t row_begin, int64_t row_end) {
  check_float(op, "x", x);
  if (x.dim() == 0) fail_value(op, "x", "at least 1 dimension", describe(x));
  const RowSlice rows = check_rows(op, row_begin, row_end, weight.sym_size(0).guard_int(__FILE__, __LINE__));
  check_bias(op, bias, rows.size());
  c10::SymDimVector sizes(x.sym_sizes());
  sizes.back() = rows.size();
  return x.new_empty_symint(sizes);
}

}  // namespace vqt
