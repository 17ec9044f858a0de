// How an op quantizes its input. Every schema that does has the same four arguments: activation,
// activation_symmetric, x_scale, x_zero_point.
#pragma once

#include <cstdint>
#include <string_view>

#include "vqt/scheme.h"

namespace vqt {

// As the schema has them.
struct ActivationSchemaArgs {
  std::string_view activation = "dynamic";
  bool symmetric = false;
  double x_scale = 0.0;
  int64_t x_zero_point = 0;
};

// Checked. Also how an op quantizes its result (epilogue_args.h): static then.
struct ActivationArgs {
  ActivationMode mode = ActivationMode::kDynamic;
  bool symmetric = false;
  float scale = 0.0f;  // static only
  int32_t zero_point = 0;
};
ActivationArgs check_activation_args(std::string_view op, const ActivationSchemaArgs& args);

// What errors call the arguments of a static quantizer.
struct StaticNames {
  std::string_view scale, zero_point, symmetric;
  std::string_view when;  // follows "expected a positive float32"
};
ActivationArgs check_static_args(std::string_view op, const StaticNames& names, bool symmetric, double scale,
                                 int64_t zero_point);

}  // namespace vqt
