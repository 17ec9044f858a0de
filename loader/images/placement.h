// Where an image's pixels are in the frame that a model is fed. Torch-free.
#pragma once

#include <cstdint>

namespace vqt {

struct Size {
  int64_t height = 0, width = 0;
  bool operator==(const Size& o) const { return height == o.height && width == o.width; }
};

// The image is resized; pixel (0, 0) of that is then at (top, left) of the frame. Rows that a crop took
// off make top negative, white that was added makes it positive.
struct Placement {
  Size original, resized;
  int64_t top = 0, left = 0;
};

}  // namespace vqt
