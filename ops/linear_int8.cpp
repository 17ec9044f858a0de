// y = x W^T + b with 8-bit weights: its own checks, and the job of its kernel.
#include <torch/library.h>

#include "cpu/linear/linear_int8_kernel.h"
#include "ops/linear_amx.h"
#include "ops/linear_integer.h"
#include "ops/quantize_activation.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "linear_int8";
constexpr std::string_view kLayout =
    "int8 (symmetric) or uint8 (asymmetric) [N, K] with scale, or packed uint8 [N, bytes a row] without";

// Checks of what is known without reading data.
void check_weight(const LinearSchemaArgs& args) {
  const at::Tensor& weight = args.weight;
  const std::optional<at::Tensor>&scale = args.scale, &zero_point = args.zero_point;
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
  if (!is_quantized_activation(args.x)) check_x(kOp, args.x, weight.sym_size(1));
}

at::Tensor pack_canonical(const LinearSchemaArgs& args) {
  const at::Tensor& scale = *args.scale;
  const at::Tensor zeros = zeros_unless_given(args.zero_point, scale);
  Scheme scheme;
  scheme.symmetric = args.weight.scalar_type() == at::kChar;
  const bool per_channel = scale.size(0) == args.weight.size(0);
  scheme.granularity = per_channel ? Granularity::kPerChannel : Granularity::kPerTensor;
  check_scale_values(kOp, scale, zeros, scheme);
  return pack_weight(args.weight, scale, zeros, 8, scheme.symmetric, to_string(scheme.granularity), 0, -1,
                     "cpu");
}

void run_int8(const PackedBlock& weight, const cpu::QuantizedRows& x, RowSlice rows,
              const cpu::Epilogue& out) {
  const cpu::PackedHeader& h = weight.header;
  const cpu::PackedSections s = cpu::sections(h);
  cpu::LinearInt8Job job;
  job.k = h.k;
  job.x = x;
  job.w = reinterpret_cast<const int8_t*>(weight.block + s.weight);
  job.w_scale = reinterpret_cast<const float*>(weight.block + s.scale);
  job.w_zero = h.symmetric ? nullptr : reinterpret_cast<const int32_t*>(weight.block + s.zero);
  job.w_sum = reinterpret_cast<const int32_t*>(weight.block + s.sum);
  job.out = out;
  const LinearPlan plan = plan_call(h, x.rows, rows);
  if (plan.kernel == cpu::LinearKernel::kInt8Torch) return run_int8_torch(plan, rows, job);
  run_plan(plan, job, cpu::linear_int8_kernel(plan.kernel));
}

// For tensors with data and for meta tensors.
at::Tensor linear_int8(const LinearSchemaArgs& args) {
  check_weight(args);
  if (args.x.is_meta() || args.weight.is_meta()) return linear_meta(kOp, args);
  const at::Tensor packed = is_packed(args.weight, args.scale) ? args.weight : pack_canonical(args);
  return linear_integer(kOp, 8, packed, args, run_int8);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("linear_int8", &linear_without_groups<linear_int8>); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("linear_int8", &linear_without_groups<linear_int8>); }

}  // namespace vqt
