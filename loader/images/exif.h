// Which way a JPEG file says it should be turned. Torch-free.
#pragma once

#include <string>

namespace vqt {

// The EXIF orientation, 1 to 8; 1 (as it is) where the file has none or is no JPEG.
int exif_orientation(const std::string& path);

}  // namespace vqt
