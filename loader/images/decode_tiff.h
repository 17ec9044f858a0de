// TIFF files with libtiff.
#pragma once

#include <cstdint>
#include <vector>

#include "loader/images/decode_image.h"

namespace vqt {

// The first page, turned as the file says (Pillow does so too, of TIFF only). Throws Error.
DecodedImage decode_tiff(const std::vector<uint8_t>& bytes);

}  // namespace vqt
