// JPEG files with libjpeg.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vqt/error.h"

namespace vqt {

// uint8 [H, W, 3], RGB. Reads from the start of image to its end mark; what lies behind that (the film of a motion
// photo) is ignored. Throws Error where data are missing or damaged, which libjpeg alone would fill with grey.
at::Tensor decode_jpeg(const std::vector<uint8_t>& bytes);

}  // namespace vqt
