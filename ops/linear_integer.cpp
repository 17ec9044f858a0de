#include "ops/linear_integer.h"

#include <ATen/ops/empty.h>

#include <string>
#include <vector>

#include "cpu/linear/linear_canonical_kernel.h"
#include "ops/epilogue_result.h"
#include "ops/kernel_scope.h"
#include "ops/quantize_activation.h"
#include "ops/weight_only.h"
#include "vqt/packing.h"

namespace vqt {

LinearPlan plan_call(const cpu::PackedHeader& h, int64_t x_rows, RowSlice rows) {
  LinearShape shape;
  shape.rows = x_rows;
  shape.column_begin = rows.begin;
  shape.column_end = rows.end;
  shape.k = h.k;
  shape.bits = h.bits;
  shape.threads = at::get_num_threads();
  shape.isa = cpu::best_isa();
  shape.amx = cpu::amx_use();
  shape.has_layout = h.layout != cpu::Layout::kCanonical;
  if (h.layout == cpu::Layout::kCpuInt4) shape.group = cpu::sections(h).group;
  const LinearPlan plan = plan_linear(shape);
  print_plan_once(plan);
  return plan;
}

namespace {

void run_canonical(const PackedBlock& weight, const cpu::QuantizedRows& x, RowSlice rows,
                   const cpu::Epilogue& out) {
  const cpu::PackedHeader& h = weight.header;
  plan_call(h, x.rows, rows);  // to print it
  const cpu::PackedSections s = cpu::sections(h);
  std::vector<float> scale(s.scales);
  std::vector<int32_t> zero(s.scales);
  std::vector<uint8_t> canonical(cpu::canonical_bytes(h.n, h.k, h.bits));
  cpu::unpack(weight.block, canonical.data(), scale.data(), zero.data());
  cpu::LinearCanonicalJob job;
  job.k = h.k;
  job.x = x;
  job.bits = h.bits;
  job.symmetric = h.symmetric != 0;
  job.w = canonical.data();
  job.run = values_per_scale(h.n, h.k, cpu::scheme_of(h));
  job.width = s.width;
  job.w_scale = scale.data();
  job.w_zero = zero.data();
  job.out = out;
  at::parallel_for(rows.begin, rows.end, 1, [&](int64_t begin, int64_t end) {
    cpu::linear_canonical(job, {0, x.rows}, {begin, end});
  });
}

void check_depth(std::string_view op, const cpu::PackedHeader& h, ActivationMode activation) {
  const Scheme scheme = cpu::scheme_of(h);
  const SumDepth sum = sum_depth(h.k, scheme, h.layout != cpu::Layout::kCanonical, activation);
  if (sum.exact()) return;
  fail_value(op, "weight",
             "at most " + std::to_string(sum.limit) + " columns " + (h.bits == 4 ? "in a group " : "") +
                 "with " + (h.symmetric ? "" : "a") +
                 "symmetric weights and integer activations (activation=\"none\" has no limit)",
             std::to_string(sum.depth));
}

at::Tensor linear_float(const PackedBlock& weight, const at::Tensor& x, const LinearInputs& inputs) {
  if (inputs.epilogue.is_identity()) return weight_only_linear(x, weight, inputs.rows, inputs.bias);
  // In float32, so that only the result is rounded to x's dtype.
  const at::Tensor y = weight_only_linear(x.to(at::kFloat), weight, inputs.rows, inputs.bias);
  return apply_epilogue_unfused(inputs.epilogue, y);
}

// Sums of x's rows, where the weight needs them and the linear that stored x left them out.
at::Tensor row_sums(const cpu::PackedHeader& h, const cpu::QuantizedRows& x) {
  const bool needed = h.layout == cpu::Layout::kCpuInt8 && !h.symmetric;
  if (!needed || x.rows == 0 || x.sum[0] >= 0) return {};
  const at::Tensor sums = at::empty({x.rows}, at::TensorOptions(at::kInt));
  int32_t* out = sums.mutable_data_ptr<int32_t>();
  at::parallel_for(0, x.rows, rows_per_task(x.k_pad),
                   [&](int64_t begin, int64_t end) { cpu::sum_rows(x, begin, end, out); });
  return sums;
}

PackedBlock open_weight(std::string_view op, int64_t bits, const at::Tensor& weight) {
  PackedBlock packed = open_aligned(op, "weight", weight);
  const int64_t stored = packed.header.bits;
  if (stored != bits) {
    fail_value(op, "weight", "a packed weight of " + std::to_string(bits) + " bits",
               "one of " + std::to_string(stored) + " bits (see linear_int" + std::to_string(stored) + ")");
  }
  return packed;
}

}  // namespace

at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& weight,
                          const LinearSchemaArgs& args, RunLinear run) {
  const KernelScope scope;
  const PackedBlock packed = open_weight(op, bits, weight);
  const cpu::PackedHeader& h = packed.header;
  const LinearInputs inputs = check_linear(op, h.n, args);
  const at::Tensor& x = args.x;
  if (!inputs.quantized_x) check_x(op, x, h.k);
  if (inputs.activation.mode == ActivationMode::kNone) return linear_float(packed, x, inputs);
  check_depth(op, h, inputs.activation.mode);

  const at::Tensor activation =
      inputs.quantized_x ? check_quantized_x(op, x, h.k) : quantize_activation(x, inputs.activation);
  cpu::QuantizedRows x_rows = activation_view(activation, h.k);
  const at::Tensor sums = row_sums(h, x_rows);
  if (sums.defined()) x_rows.sum = sums.mutable_data_ptr<int32_t>();

  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = inputs.rows.size();
  const EpilogueResult result = make_result(inputs.epilogue, inputs.bias, inputs.rows.begin, sizes);
  if (x_rows.rows > 0 && inputs.rows.size() > 0) {
    (h.layout == cpu::Layout::kCanonical ? run_canonical : run)(packed, x_rows, inputs.rows, result.epilogue);
  }
  return finish_result(inputs.epilogue, result);
}

}  // namespace vqt
