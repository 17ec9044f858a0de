// y = x W^T + b with 8-bit weights. Here: what arguments are legal, what shape comes out, which kernel runs.
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include "cpu/linear/linear_int8_kernel.h"
#include "ops/linear_amx.h"
#include "ops/linear_integer.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "linear_int8";
constexpr std::string_view kLayout =
    "int8 (symmetric) or uint8 (asymmetric) [N, K] with scale, or packed uint8 [N, bytes a row] without";

// Types and shapes of weight, scale and zero_point: all that is known without reading data.
void check_weight(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& scale,
                  const std::optional<at::Tensor>& zero_point) {
  const bool symmetric = weight.scalar_type() == at::kChar;
  if (!symmetric && weight.scalar_type() != at::kByte)
    fail_type(kOp, "weight", std::string(kLayout), describe(weight));
  if (weight.dim() != 2) fail_value(kOp, "weight", std::string(kLayout), describe(weight));
  if (is_packed(weight, scale)) {
    if (zero_point.has_value())
      fail_value(kOp, "zero_point", "None with a packed weight", describe(*zero_point));
    return;
  }
  if (!scale.has_value()) fail_value(kOp, "scale", "float32 [1] or [N] with an int8 weight", "None");
  check_tensor(kOp, "scale", *scale, at::kFloat, 1, "[1] or [N]");
  if (scale->sym_size(0) != 1 && scale->sym_size(0) != weight.sym_size(0)) {
    fail_value(kOp, "scale", "float32 [1] or [N] for a weight " + describe(weight), describe(*scale));
  }
  if (zero_point.has_value()) {
    check_scales(kOp, *scale, *zero_point, scale->sym_size(0));
  } else if (!symmetric) {
    fail_value(kOp, "zero_point", "int32, one for each scale of a uint8 weight", "None");
  }
  if (x.scalar_type() != at::kByte) check_x(kOp, x, weight.sym_size(1));
}

at::Tensor pack_canonical(const at::Tensor& weight, const at::Tensor& scale,
                          const std::optional<at::Tensor>& zero_point) {
  const bool symmetric = weight.scalar_type() == at::kChar;
  const at::Tensor zeros =
      zero_point.has_value() ? *zero_point : at::zeros(scale.sizes(), scale.options().dtype(at::kInt));
  Scheme scheme;
  scheme.symmetric = symmetric;
  check_scale_values(kOp, scale, zeros, scheme);
  const bool per_channel = scale.size(0) == weight.size(0);
  return pack_weight(weight, scale, zeros, 8, symmetric, per_channel ? "per_channel" : "per_tensor", 0, -1,
                     "cpu");
}

void run_int8(const LinearCall& call) {
  const cpu::PackedHeader& h = call.weight.header;
  const cpu::PackedSections s = cpu::sections(h);
  const uint8_t* block = call.weight.block;
  cpu::LinearInt8 job;
  job.k = h.k;
  job.x = call.x;
  job.w = reinterpret_cast<const int8_t*>(block + s.weight);
  job.w_scale = reinterpret_cast<const float*>(block + s.scale);
  job.w_zero = h.symmetric ? nullptr : reinterpret_cast<const int32_t*>(block + s.zero);
  job.w_sum = reinterpret_cast<const int32_t*>(block + s.sum);
  job.out = call.out;
  if (amx_pays(call.x.rows)) return run_int8_amx(call, job);
  run_planned(call, job, cpu::linear_int8_kernel(cpu::best_isa()));
}

// For tensors with data and for Meta's.
at::Tensor linear_int8(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       const std::optional<at::Tensor>& scale, const std::optional<at::Tensor>& zero_point,
                       std::string_view activation, bool activation_symmetric, double x_scale,
                       int64_t x_zero_point, int64_t row_begin, int64_t row_end, std::string_view post_op,
                       const std::optional<at::Tensor>& gamma, const std::optional<at::Tensor>& residual,
                       std::optional<at::ScalarType> dtype, double y_scale, int64_t y_zero_point,
                       bool y_symmetric) {
  const LinearArgs args = {bias,         activation,   activation_symmetric,
                           x_scale,      x_zero_point, row_begin,
                           row_end,      post_op,      gamma,
                           residual,     dtype,        y_scale,
                           y_zero_point, y_symmetric};
  check_weight(x, weight, scale, zero_point);
  if (x.is_meta() || weight.is_meta()) return linear_meta(kOp, x, weight, args);
  const at::Tensor packed = is_packed(weight, scale) ? weight : pack_canonical(weight, *scale, zero_point);
  return linear_integer(kOp, 8, x, packed, args, run_int8);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("linear_int8", &linear_int8); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("linear_int8", &linear_int8); }

}  // namespace vqt
