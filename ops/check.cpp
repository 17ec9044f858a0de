#include "ops/check.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace vqt {
namespace {

std::string message(std::string_view op, std::string_view argument, const std::string& expected,
                    const std::string& got) {
  std::ostringstream text;
  text << "vqt::" << op << ": " << argument << ": expected " << expected << ", got " << got;
  return text.str();
}

}  // namespace

void fail_type(std::string_view op, std::string_view argument, const std::string& expected,
               const std::string& got) {
  C10_THROW_ERROR(TypeError, message(op, argument, expected, got));
}

void fail_value(std::string_view op, std::string_view argument, const std::string& expected,
                const std::string& got) {
  C10_THROW_ERROR(ValueError, message(op, argument, expected, got));
}

std::string describe(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kByte:
      return "uint8";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kBool:
      return "bool";
    default:
      return c10::toString(dtype);
  }
}

std::string describe(at::IntArrayRef sizes) {
  std::ostringstream text;
  text << sizes;
  return text.str();
}

std::string describe(const at::Tensor& tensor) {
  std::ostringstream text;
  text << describe(tensor.scalar_type()) << " " << tensor.sym_sizes();
  if (!tensor.is_cpu() && !tensor.is_meta()) text << " on " << tensor.device();
  return text.str();
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool is_kernel_dtype(at::ScalarType dtype) {
  return dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf;
}

void check_float(std::string_view op, std::string_view argument, const at::Tensor& tensor) {
  if (is_kernel_dtype(tensor.scalar_type())) return;
  fail_type(op, argument, "float32, bfloat16 or float16", describe(tensor));
}

void check_tensor(std::string_view op, std::string_view argument, const at::Tensor& tensor,
                  at::ScalarType dtype, int64_t rank, std::string_view layout) {
  const std::string expected = describe(dtype) + " " + std::string(layout);
  if (tensor.scalar_type() != dtype) fail_type(op, argument, expected, describe(tensor));
  if (tensor.dim() != rank) fail_value(op, argument, expected, describe(tensor));
}

Scheme check_scheme(std::string_view op, int64_t bits, bool symmetric, std::string_view granularity,
                    int64_t group_size) {
  Scheme scheme;
  if (bits != 4 && bits != 8 && bits != 16) fail_value(op, "bits", "4, 8 or 16", std::to_string(bits));
  if (bits == 16 && !symmetric) fail_value(op, "symmetric", "true with 16 bits", "false");
  scheme.bits = bits;
  scheme.symmetric = symmetric;
  try {
    scheme.granularity = granularity_from(std::string(granularity));
  } catch (const std::invalid_argument&) {
    fail_value(op, "granularity", "per_tensor, per_channel or group", quoted(granularity));
  }
  if (scheme.granularity == Granularity::kGroup) {
    if (group_size != -1 && group_size < 1) {
      fail_value(op, "group_size", "1 or more, or -1 for a whole row", std::to_string(group_size));
    }
    scheme.group_size = group_size;
  } else if (group_size != 0) {
    fail_value(op, "group_size", "0 with granularity " + std::string(granularity),
               std::to_string(group_size));
  }
  return scheme;
}

ActivationMode check_activation_mode(std::string_view op, std::string_view activation) {
  try {
    return activation_mode_from(std::string(activation));
  } catch (const std::invalid_argument&) {
    fail_value(op, "activation", "dynamic, static or none", quoted(activation));
  }
}

at::ScalarType canonical_dtype(const Scheme& scheme) {
  if (scheme.bits == 16) return at::kShort;
  return scheme.bits == 8 && scheme.symmetric ? at::kChar : at::kByte;
}

void check_scales(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                  const c10::SymInt& count) {
  std::ostringstream layout;
  layout << "[" << count << "]";
  check_tensor(op, "scale", scale, at::kFloat, 1, layout.str());
  if (scale.sym_size(0) != count) fail_value(op, "scale", "float32 " + layout.str(), describe(scale));
  check_tensor(op, "zero_point", zero_point, at::kInt, 1, layout.str());
  if (zero_point.sym_size(0) != count)
    fail_value(op, "zero_point", "int32 " + layout.str(), describe(zero_point));
}

void check_scale_values(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                        const Scheme& scheme) {
  const at::Tensor scales = scale.contiguous(), zeros = zero_point.contiguous();
  const float* s = scales.const_data_ptr<float>();
  const int32_t* z = zeros.const_data_ptr<int32_t>();
  const int32_t top = scheme.symmetric ? 0 : (1 << scheme.bits) - 1;
  for (int64_t i = 0; i < scales.numel(); ++i) {
    if (!(s[i] > 0.0f && std::isfinite(s[i]))) {
      fail_value(op, "scale", "positive finite numbers", std::to_string(s[i]) + " at " + std::to_string(i));
    }
    if (z[i] < 0 || z[i] > top) {
      fail_value(op, "zero_point", scheme.symmetric ? "0 with symmetric" : "0 to " + std::to_string(top),
                 std::to_string(z[i]) + " at " + std::to_string(i));
    }
  }
}

void check_x(std::string_view op, const at::Tensor& x, const c10::SymInt& k) {
  check_float(op, "x", x);
  if (x.dim() > 0 && x.sym_size(-1) == k) return;
  std::ostringstream expected;
  expected << "[..., " << k << "] as the weight has " << k << " columns";
  fail_value(op, "x", expected.str(), describe(x));
}

RowSlice check_rows(std::string_view op, int64_t row_begin, int64_t row_end, int64_t n) {
  const int64_t end = row_end == -1 ? n : row_end;
  const auto rows = [n] { return "a weight of " + std::to_string(n) + " rows"; };
  if (row_begin < 0 || row_begin > n) {
    fail_value(op, "row_begin", "0 to " + std::to_string(n) + " for " + rows(), std::to_string(row_begin));
  }
  if (end < row_begin || end > n) {
    fail_value(op, "row_end",
               std::to_string(row_begin) + " to " + std::to_string(n) + " (or -1) for " + rows(),
               std::to_string(row_end));
  }
  return {row_begin, end};
}

void check_bias(std::string_view op, const std::optional<at::Tensor>& bias, int64_t rows) {
  if (!bias.has_value()) return;
  check_float(op, "bias", *bias);
  if (bias->dim() != 1 || bias->sym_size(0) != rows) {
    fail_value(op, "bias",
               "[" + std::to_string(rows) + "], one number for each row of the weight that is used",
               describe(*bias));
  }
}

}  // namespace vqt
