// Where a picture's pixels lie in the frame a model is fed. Torch-free.
#pragma once

#include <cstdint>

namespace vqt {

struct Size {
  int64_t height = 0, width = 0;
  bool operator==(const Size& o) const { return height == o.height && width == o.width; }
};

// The picture is resized; pixel (0, 0) of that then lies at (top, left) of the frame. Rows that a crop took
// off make top negative, white that was added makes it positive.
struct Placement {
  Size picture, resized;
  int64_t top = 0, left = 0;
};

}  // namespace vqt
