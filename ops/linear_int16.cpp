// y = x W^T + b with 16-bit weights (symmetric, one scale per tensor or per row). Products are float32: 16
// bits save space, and they save time where x has few rows and memory is the limit.
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/pack_weight.h"
#include "ops/weight_only.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "linear_int16";
constexpr std::string_view kLayout = "[N, K] with scale, or packed uint8 [N, bytes] without";

void check_canonical(const at::Tensor& weight, const std::optional<at::Tensor>& scale) {
  check_tensor(kOp, "weight", weight, at::kShort, 2, kLayout);
  if (!scale.has_value()) fail_value(kOp, "scale", "float32 [1] or [N] with an int16 weight", "None");
  check_tensor(kOp, "scale", *scale, at::kFloat, 1, "[1] or [N]");
  if (scale->sym_size(0) != 1 && scale->sym_size(0) != weight.sym_size(0)) {
    fail_value(kOp, "scale", "float32 [1] or [N] for a weight " + describe(weight), describe(*scale));
  }
}

at::Tensor linear_int16_meta(const at::Tensor& x, const at::Tensor& weight,
                             const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& scale,
                             int64_t row_begin, int64_t row_end) {
  if (is_packed(weight, scale)) {
    check_float(kOp, "x", x);
    check_tensor(kOp, "weight", weight, at::kByte, 2, "[N, bytes a row]");
  } else {
    check_canonical(weight, scale);
    check_x(kOp, x, weight.sym_size(1));
  }
  const RowSlice rows = check_rows(kOp, row_begin, row_end, weight.sym_size(0).guard_int(__FILE__, __LINE__));
  check_bias(kOp, bias, rows.size());
  c10::SymDimVector sizes(x.sym_sizes());
  if (sizes.empty()) fail_value(kOp, "x", "at least 1 dimension", describe(x));
  sizes.back() = rows.size();
  return x.new_empty_symint(sizes);
}

at::Tensor linear_int16_cpu(const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& scale,
                            int64_t row_begin, int64_t row_end) {
  const KernelScope scope;
  if (is_packed(weight, scale)) {
    const PackedBlock packed = open_packed(kOp, "weight", weight);
    if (packed.header.bits != 16) {
      fail_value(kOp, "weight", "a packed weight of 16 bits", "one of " + std::to_string(packed.header.bits));
    }
    check_x(kOp, x, packed.header.k);
    const RowSlice rows = check_rows(kOp, row_begin, row_end, packed.header.n);
    check_bias(kOp, bias, rows.size());
    return weight_only_linear(x, packed, rows, bias);
  }
  check_canonical(weight, scale);
  check_x(kOp, x, weight.size(1));
  const RowSlice rows = check_rows(kOp, row_begin, row_end, weight.size(0));
  check_bias(kOp, bias, rows.size());
  return weight_only_linear(x, weight, *scale, rows, bias);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("linear_int16", &linear_int16_meta); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("linear_int16", &linear_int16_cpu); }

}  // namespace vqt
