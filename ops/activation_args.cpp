#include "ops/activation_args.h"

#include <cmath>
#include <string>

#include "ops/check.h"

namespace vqt {

ActivationArgs check_static_args(std::string_view op, const StaticNames& names, bool symmetric, double scale,
                                 int64_t zero_point) {
  ActivationArgs args;
  args.mode = ActivationMode::kStatic;
  args.symmetric = symmetric;
  args.scale = static_cast<float>(scale);
  if (!(args.scale > 0.0f && std::isfinite(args.scale))) {
    fail_value(op, names.scale, "a positive float32" + std::string(names.when), std::to_string(scale));
  }
  if (zero_point < 0 || zero_point > (symmetric ? 0 : 255)) {
    fail_value(op, names.zero_point, symmetric ? "0 with " + std::string(names.symmetric) : "0 to 255",
               std::to_string(zero_point));
  }
  args.zero_point = static_cast<int32_t>(zero_point);
  return args;
}

ActivationArgs check_activation_args(std::string_view op, const ActivationSchemaArgs& a) {
  ActivationArgs args;
  args.mode = check_activation_mode(op, a.activation);
  args.symmetric = a.symmetric;
  if (args.mode == ActivationMode::kStatic) {
    const StaticNames names = {"x_scale", "x_zero_point", "activation_symmetric",
                               " with activation=\"static\""};
    return check_static_args(op, names, a.symmetric, a.x_scale, a.x_zero_point);
  }
  if (a.x_scale != 0.0 || a.x_zero_point != 0) {
    fail_value(op, a.x_scale != 0.0 ? "x_scale" : "x_zero_point",
               "0 with activation=" + quoted(a.activation) + " (only \"static\" uses it)",
               a.x_scale != 0.0 ? std::to_string(a.x_scale) : std::to_string(a.x_zero_point));
  }
  return args;
}

}  // namespace vqt
