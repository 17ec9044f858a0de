// An image file as pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "vqt/error.h"

namespace vqt {

// uint8 [H, W, 3], RGB. Alpha is composited on white, 16 bits become 8, EXIF orientation is not applied.
at::Tensor decode_image(const std::string& path);

}  // namespace vqt
