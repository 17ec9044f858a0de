// A transposed convolution whose windows do not overlap (stride = kernel, no padding), with 8-bit weights: every
// pixel becomes a block of pixels.
#include <torch/library.h>

#include "ops/conv_int8.h"

namespace vqt {
namespace {

constexpr std::string_view kOp = "conv_transpose2d_int8";

at::Tensor conv_transpose2d_int8(const at::Tensor& x, const at::Tensor& weight,
                                 const std::optional<at::Tensor>& bias, int64_t out_channels,
                                 at::IntArrayRef kernel_size, const std::optional<at::Tensor>& residual,
                                 const std::optional<at::Tensor>& low, bool relu,
                                 std::optional<at::ScalarType> dtype) {
  ConvSchemaArgs args;
  args.x = x;
  args.weight = weight;
  args.bias = bias;
  args.form = ConvForm::kTransposed;
  args.out_channels = out_channels;
  args.kernel = args.stride = check_pair(kOp, "kernel_size", kernel_size, 1);
  args.residual = residual;
  args.low = low;
  args.relu = relu;
  args.dtype = dtype;
  return conv_int8(kOp, args);
}

}  // namespace

TORCH_LIBRARY_IMPL(vqt, Meta, m) { m.impl("conv_transpose2d_int8", &conv_transpose2d_int8); }
TORCH_LIBRARY_IMPL(vqt, CPU, m) { m.impl("conv_transpose2d_int8", &conv_transpose2d_int8); }

}  // namespace vqt
