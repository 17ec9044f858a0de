#include <stdexcept>

#include "cpu/layout/panel.h"
#include "vqt/conv.h"
#include "vqt/packing.h"

namespace vqt {
namespace {

// Below them the float convolution is as fast: transforms and quantization cost more than the products.
constexpr int64_t kLeastInChannels = 32, kLeastOutChannels = 16;

using Pair = std::array<int64_t, 2>;

std::string text(Pair pair) { return std::to_string(pair[0]) + " x " + std::to_string(pair[1]); }

std::string why_float(const ConvShape& s) {
  if (s.groups != 1) return std::to_string(s.groups) + " groups";
  if (s.dilation != Pair{1, 1}) return "dilation " + text(s.dilation);
  if (s.in_channels < kLeastInChannels) return std::to_string(s.in_channels) + " input channels";
  if (s.out_channels < kLeastOutChannels) return std::to_string(s.out_channels) + " output channels";
  if (!s.transposed) return "";
  if (s.stride != s.kernel)
    return "transposed with a kernel of " + text(s.kernel) + " and a stride of " + text(s.stride);
  if (s.padding != Pair{0, 0}) return "transposed with padding " + text(s.padding);
  if (s.output_padding != Pair{0, 0}) return "transposed with output padding " + text(s.output_padding);
  return "";
}

ConvForm form_of(const ConvShape& s) {
  if (s.transposed) return ConvForm::kTransposed;
  if (s.kernel == Pair{3, 3} && s.stride == Pair{1, 1}) return ConvForm::kWinograd;
  const bool pixels = s.kernel == Pair{1, 1} && s.stride == Pair{1, 1} && s.padding == Pair{0, 0};
  return pixels ? ConvForm::kPointwise : ConvForm::kWindows;
}

}  // namespace

const char* to_string(ConvForm form) {
  switch (form) {
    case ConvForm::kPointwise:
      return "pointwise";
    case ConvForm::kWinograd:
      return "winograd";
    case ConvForm::kWindows:
      return "windows";
    case ConvForm::kTransposed:
      return "transposed";
  }
  return "?";
}

ConvForm conv_form_from(const std::string& name) {
  for (ConvForm form :
       {ConvForm::kPointwise, ConvForm::kWinograd, ConvForm::kWindows, ConvForm::kTransposed}) {
    if (name == to_string(form)) return form;
  }
  throw std::invalid_argument("expected pointwise, winograd, windows or transposed, got \"" + name + "\"");
}

ConvMatrixSize conv_matrix_size(ConvForm form, int64_t n, int64_t c, Pair kernel) {
  const int64_t taps = kernel[0] * kernel[1];
  switch (form) {
    case ConvForm::kPointwise:
      return {n, c};
    case ConvForm::kWinograd:
      return {16 * ((n + cpu::kPanel - 1) / cpu::kPanel * cpu::kPanel), c};
    case ConvForm::kWindows:
      return {n, taps * c};
    case ConvForm::kTransposed:
      return {taps * n, c};
  }
  return {};
}

ConvChoice choose_conv_form(const ConvShape& s) {
  ConvChoice choice;
  choice.why_float = why_float(s);
  if (!choice.why_float.empty()) return choice;
  const ConvForm form = form_of(s);
  const int64_t depth = conv_matrix_size(form, s.out_channels, s.in_channels, s.kernel).columns;
  const SumDepth sum = sum_depth(depth, Scheme(), true, ActivationMode::kDynamic);
  if (sum.exact()) {
    choice.form = form;
  } else {
    choice.why_float = "a window of " + std::to_string(depth) + " values, more than an int32 sum of " +
                       std::to_string(sum.limit);
  }
  return choice;
}

}  // namespace vqt
