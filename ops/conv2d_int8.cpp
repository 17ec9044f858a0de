// A convolution with 8-bit weights on maps [n, C, h, w] whose channels lie side by side (channels_last).
#include <torch/library.h>

#include <string>

#include "ops/conv_int8.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "conv2d_int8";

ConvForm check_form_name(std::string_view name) {
  for (ConvForm form : {ConvForm::kPointwise, ConvForm::kWinograd, ConvForm::kWindows}) {
    if (name == to_string(form)) return form;
  }
  fail_value(kOp, "form", "pointwise, winograd or windows", quoted(name));
}

at::Tensor conv2d_int8(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       std::string_view form, int64_t out_channels, at::IntArrayRef kernel_size,
                       at::IntArrayRef stride, at::IntArrayRef padding,
                       const std::optional<at::Tensor>& residual, const std::optional<at::Tensor>& low,
                       bool relu, at::IntArrayRef x_size, const std::optional<at::Tensor>& pos_x,
                       const std::optional<at::Tensor>& pos_y, std::optional<at::ScalarType> dtype) {
  ConvSchemaArgs args;
  args.x = x;
  args.weight = weight;
  args.bias = bias;
  args.form = check_form_name(form);
  args.out_channels = out_channels;
  args.kernel = check_pair(kOp, "kernel_size", kernel_size, 1);
  args.stride = check_pair(kOp, "stride", stride, 1);
  args.padding = check_pair(kOp, "padding", padding, 0);
  args.residual = residual;
  args.low = low;
  args.relu = relu;
  if (!x_size.empty()) args.x_size = check_pair(kOp, "x_size", x_size, 1);
  args.pos_x = pos_x;
  args.pos_y = pos_y;
  args.dtype = dtype;
  return conv_int8(kOp, args);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("conv2d_int8", &conv2d_int8); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("conv2d_int8", &conv2d_int8); }

}  // namespace vqt
