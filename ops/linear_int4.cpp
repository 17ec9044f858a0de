// y = x W^T + b with 4-bit weights: its own checks, and the job of its kernel.
#include <torch/library.h>

#include "cpu/linear/linear_int4_kernel.h"
#include "ops/linear_integer.h"
#include "ops/quantize_activation.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "linear_int4";
constexpr std::string_view kLayout =
    "uint8 [N, ceil(K/2)] with scale (and zero_point where it is asymmetric), or packed uint8 [N, bytes a "
    "row] without";

// Checks of what is known without reading data.
void check_packed(const LinearSchemaArgs& args) {
  if (args.zero_point.has_value()) {
    fail_value(kOp, "zero_point", "None with a packed weight", describe(*args.zero_point));
  }
  if (args.group_size != 0) {
    fail_value(kOp, "group_size", "0 with a packed weight, which stores its own",
               std::to_string(args.group_size));
  }
}

// Of a canonical weight: group_size gives the groups, the number of scales the granularity without groups.
Scheme canonical_scheme(const LinearSchemaArgs& args) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.symmetric = !args.zero_point.has_value();
  scheme.group_size = args.group_size;
  if (args.group_size != 0) {
    scheme.granularity = Granularity::kGroup;
  } else if (args.scale->sym_size(0) == 1) {
    scheme.granularity = Granularity::kPerTensor;
  }
  return scheme;
}

void check_canonical(const LinearSchemaArgs& args) {
  const at::Tensor &x = args.x, &weight = args.weight, &scale = *args.scale;
  check_tensor(kOp, "scale", scale, at::kFloat, 1, "[1], [N] or [number of groups]");
  const int64_t group_size = args.group_size;
  if (group_size != 0 && group_size != -1 && group_size < 1) {
    fail_value(kOp, "group_size", "1 or more, -1 for a whole row, or 0 without groups",
               std::to_string(group_size));
  }
  if (is_quantized_activation(x)) {
    fail_type(kOp, "x", "a float tensor with a canonical weight, which does not say whether K is odd",
              describe(x));
  }
  check_float(kOp, "x", x);
  if (x.dim() == 0 || (x.sym_size(-1) + 1) / 2 != weight.sym_size(1)) {
    fail_value(kOp, "x", "[..., K] for a weight " + describe(weight) + " of [N, ceil(K/2)]", describe(x));
  }
  const c10::SymInt scales = scale_count(weight.sym_size(0), x.sym_size(-1), canonical_scheme(args));
  if (scale.sym_size(0) != scales) {
    fail_value(kOp, "scale",
               group_size == 0 ? "float32 [1] or [N] for a weight " + describe(weight)
                               : "one scale for each group of " + std::to_string(group_size),
               describe(scale));
  }
  if (args.zero_point.has_value()) check_scales(kOp, scale, *args.zero_point, scales);
}

at::Tensor pack_canonical(const LinearSchemaArgs& args) {
  const at::Tensor& scale = *args.scale;
  const at::Tensor zeros = zeros_unless_given(args.zero_point, scale);
  const Scheme scheme = canonical_scheme(args);
  check_scale_values(kOp, scale, zeros, scheme);
  return pack_weight(args.weight, scale, zeros, 4, scheme.symmetric, to_string(scheme.granularity),
                     scheme.group_size, args.x.size(-1), "auto");
}

void run_int4(const PackedBlock& weight, const cpu::QuantizedRows& x, RowSlice rows,
              const cpu::Epilogue& out) {
  const cpu::PackedHeader& h = weight.header;
  const cpu::PackedSections s = cpu::sections(h);
  cpu::LinearInt4Job job;
  job.groups = s.groups;
  job.group = s.group;
  job.group_bytes = s.group_bytes;
  job.symmetric = h.symmetric != 0;
  job.x = x;
  job.w = weight.block + s.weight;
  job.offset = reinterpret_cast<const float*>(weight.block + s.offset);
  job.out = out;
  const LinearPlan plan = plan_call(h, x.rows, rows);
  run_plan(plan, job, cpu::linear_int4_kernel(plan.kernel));
}

// For tensors with data and for meta tensors.
at::Tensor linear_int4(const LinearSchemaArgs& args) {
  check_tensor(kOp, "weight", args.weight, at::kByte, 2, kLayout);
  const bool given_packed = is_packed(args.weight, args.scale);
  given_packed ? check_packed(args) : check_canonical(args);
  if (args.x.is_meta() || args.weight.is_meta()) return linear_meta(kOp, args);
  return linear_integer(kOp, 4, given_packed ? args.weight : pack_canonical(args), args, run_int4);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("linear_int4", &linear_with_groups<linear_int4>); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("linear_int4", &linear_with_groups<linear_int4>); }

}  // namespace vqt
