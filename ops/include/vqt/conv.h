// Convolutions as int8 linears: which of them, in what form, with what matrix.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace at {
class Tensor;
}

namespace vqt {

// What the rows and columns of the linear are. Stored in graphs by name.
enum class ConvForm : uint8_t {
  kPointwise,   // 1 x 1: pixels x [N, C]
  kWinograd,    // 3 x 3, stride 1: tiles of 2 x 2 results, 16 linears of [N, C] in one matrix [16 N_pad, C]
  kWindows,     // any other: the values of a window x [N, kh kw C]
  kTransposed,  // transposed with stride = kernel: pixels x [kh kw N, C], each result a block of pixels
};

// "pointwise", "winograd", "windows", "transposed".
const char* to_string(ConvForm form);
// Throws std::invalid_argument that lists the names.
ConvForm conv_form_from(const std::string& name);

// The arguments of aten::conv2d or aten::conv_transpose2d; pairs are {height, width}.
struct ConvShape {
  int64_t in_channels = 0, out_channels = 0;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
  bool transposed = false;
  std::array<int64_t, 2> output_padding{0, 0};
};

struct ConvChoice {
  std::optional<ConvForm> form;  // none: the convolution stays in floating point
  std::string why_float;         // "dilation 2 x 2"
};

// The form that a convolution takes when it is packed, on every machine: a pure function of its shape.
ConvChoice choose_conv_form(const ConvShape& shape);

// Rows and columns of a form's matrix. n: out_channels, c: in_channels. Winograd pads n to a multiple of 16.
struct ConvMatrixSize {
  int64_t rows = 0, columns = 0;
};
ConvMatrixSize conv_matrix_size(ConvForm form, int64_t n, int64_t c, std::array<int64_t, 2> kernel);

}  // namespace vqt
