// Netpbm's files: PBM, PGM, PPM, PAM.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "vqt/error.h"

namespace vqt {

// uint8 [H, W, 3], RGB: maxval of the file becomes 255. Throws Error.
at::Tensor decode_pnm(const std::vector<uint8_t>& bytes);

}  // namespace vqt
