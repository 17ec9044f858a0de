#include "ops/norm_args.h"

#include <sstream>

#include "ops/check.h"
#include "ops/optional_floats.h"

namespace vqt {

void check_norm_size(std::string_view op, std::string_view argument, const at::Tensor& parameter,
                     const at::Tensor& x, std::string_view name) {
  if (parameter.dim() == 1 && parameter.sym_size(0) == x.sym_size(-1)) return;
  std::ostringstream expected;
  expected << "[" << x.sym_size(-1) << "], " << name << "'s last size";
  fail_value(op, argument, expected.str(), describe(parameter));
}

void check_norm_parameter(std::string_view op, std::string_view argument,
                          const std::optional<at::Tensor>& parameter, const at::Tensor& x) {
  if (!parameter.has_value()) return;
  check_float(op, argument, *parameter);
  check_norm_size(op, argument, *parameter, x);
}

NormParameters::NormParameters(const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias,
                               double eps)
    : weight_(as_floats(weight)), bias_(as_floats(bias)), eps_(eps) {}

cpu::RowNorm NormParameters::row() const { return {data_or_null(weight_), data_or_null(bias_), eps_}; }

}  // namespace vqt
