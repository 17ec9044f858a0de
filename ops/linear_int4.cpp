// y = x W^T + b with 4-bit weights. Here: what arguments are legal, what shape comes out, which kernel runs.
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include "cpu/linear/linear_int4_kernel.h"
#include "ops/linear_integer.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "linear_int4";
constexpr std::string_view kLayout =
    "uint8 [N, ceil(K/2)] with scale (and zero_point where it is asymmetric), or packed uint8 [N, bytes a "
    "row] without";

// Types and shapes of weight, scale and zero_point: all that is known without reading data.
void check_weight(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& scale,
                  const std::optional<at::Tensor>& zero_point, int64_t group_size) {
  check_tensor(kOp, "weight", weight, at::kByte, 2, kLayout);
  if (is_packed(weight, scale)) {
    if (zero_point.has_value())
      fail_value(kOp, "zero_point", "None with a packed weight", describe(*zero_point));
    if (group_size != 0) {
      fail_value(kOp, "group_size", "0 with a packed weight, which knows its own",
                 std::to_string(group_size));
    }
    return;
  }
  check_tensor(kOp, "scale", *scale, at::kFloat, 1, "[1], [N] or [number of groups]");
  if (group_size != 0 && group_size != -1 && group_size < 1) {
    fail_value(kOp, "group_size", "1 or more, -1 for a whole row, or 0 without groups",
               std::to_string(group_size));
  }
  if (x.scalar_type() == at::kByte) {
    fail_type(kOp, "x", "a float tensor with a canonical weight, which does not say whether K is odd",
              describe(x));
  }
  check_float(kOp, "x", x);
  if (x.dim() == 0 || (x.sym_size(-1) + 1) / 2 != weight.sym_size(1)) {
    fail_value(kOp, "x", "[..., K] for a weight " + describe(weight) + " of [N, ceil(K/2)]", describe(x));
  }
  const c10::SymInt n = weight.sym_size(0);
  c10::SymInt count = n;
  if (group_size > 0) count = (n * x.sym_size(-1) + (group_size - 1)) / group_size;
  if (group_size == 0 && scale->sym_size(0) == 1) count = 1;
  if (scale->sym_size(0) != count) {
    fail_value(kOp, "scale",
               group_size == 0 ? "float32 [1] or [N] for a weight " + describe(weight)
                               : "one scale for each group of " + std::to_string(group_size),
               describe(*scale));
  }
  if (zero_point.has_value()) check_scales(kOp, *scale, *zero_point, count);
}

at::Tensor pack_canonical(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                          const std::optional<at::Tensor>& zero_point, int64_t group_size) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.symmetric = !zero_point.has_value();
  const at::Tensor zeros =
      scheme.symmetric ? at::zeros(scale.sizes(), scale.options().dtype(at::kInt)) : *zero_point;
  check_scale_values(kOp, scale, zeros, scheme);
  const char* granularity = group_size != 0                   ? "group"
                            : scale.size(0) == weight.size(0) ? "per_channel"
                                                              : "per_tensor";
  return pack_weight(weight, scale, zeros, 4, scheme.symmetric, granularity, group_size, x.size(-1), "auto");
}

void run_int4(const LinearCall& call) {
  const cpu::PackedHeader& h = call.weight.header;
  const cpu::PackedSections s = cpu::sections(h);
  const uint8_t* block = call.weight.block;
  cpu::LinearInt4 job;
  job.groups = h.k / cpu::row_group(h);
  job.group = s.k_pad / job.groups;
  job.group_bytes = s.group_bytes;
  job.symmetric = h.symmetric != 0;
  job.x = call.x;
  job.w = block + s.weight;
  job.offset = reinterpret_cast<const float*>(block + s.offset);
  job.out = call.out;
  run_planned(call, job, cpu::linear_int4_kernel(cpu::best_isa()));
}

// For tensors with data and for Meta's.
at::Tensor linear_int4(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       const std::optional<at::Tensor>& scale, const std::optional<at::Tensor>& zero_point,
                       int64_t group_size, std::string_view activation, bool activation_symmetric,
                       double x_scale, int64_t x_zero_point, int64_t row_begin, int64_t row_end,
                       std::string_view post_op, const std::optional<at::Tensor>& gamma,
                       const std::optional<at::Tensor>& residual, std::optional<at::ScalarType> dtype,
                       double y_scale, int64_t y_zero_point, bool y_symmetric) {
  const LinearArgs args = {bias,         activation,   activation_symmetric,
                           x_scale,      x_zero_point, row_begin,
                           row_end,      post_op,      gamma,
                           residual,     dtype,        y_scale,
                           y_zero_point, y_symmetric};
  check_weight(x, weight, scale, zero_point, group_size);
  if (x.is_meta() || weight.is_meta()) return linear_meta(kOp, x, weight, args);
  const at::Tensor packed =
      is_packed(weight, scale) ? weight : pack_canonical(x, weight, *scale, zero_point, group_size);
  return linear_integer(kOp, 4, x, packed, args, run_int4);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("linear_int4", &linear_int4); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("linear_int4", &linear_int4); }

}  // namespace vqt
