// What conv2d_int8 and conv_transpose2d_int8 share: checks, and the way from checked arguments to the kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "ops/check.h"
#include "vqt/conv.h"

namespace vqt {

// As the schemas have them, sizes as pairs.
struct ConvSchemaArgs {
  at::Tensor x, weight;
  std::optional<at::Tensor> bias;
  ConvForm form = ConvForm::kTransposed;
  int64_t out_channels = 0;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, padding{0, 0};
  std::optional<at::Tensor> residual, low;
  bool relu = false;
  std::optional<std::array<int64_t, 2>> x_size;
  std::optional<at::Tensor> pos_x, pos_y;
  std::optional<at::ScalarType> dtype;
};

// {height, width}: of a list of one number or two, all of them at least `least`.
std::array<int64_t, 2> check_pair(std::string_view op, std::string_view argument, at::IntArrayRef values,
                                  int64_t least);

// For tensors with data and for meta tensors.
at::Tensor conv_int8(std::string_view op, const ConvSchemaArgs& args);

}  // namespace vqt
