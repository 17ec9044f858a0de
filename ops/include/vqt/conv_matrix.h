// The op vqt::conv_matrix as a C++ function: what the weight of a convolution is stored as.
#pragma once

#include <ATen/core/Tensor.h>

#include "vqt/conv.h"

namespace vqt {

// weight [N, C, kh, kw], transposed [C, N, kh, kw], any float dtype -> float32, sizes as conv_matrix_size says. Quantized
// (8 bits, symmetric) and packed it is the weight of conv2d_int8 or conv_transpose2d_int8.
at::Tensor conv_matrix(const at::Tensor& weight, ConvForm form);

}  // namespace vqt
