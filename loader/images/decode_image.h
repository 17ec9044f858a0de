// An image file as pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "vqt/error.h"

namespace vqt {

constexpr int64_t kMostPixels = int64_t{1} << 30;  // of an image; OpenCV's limit, too

struct DecodedImage {
  at::Tensor rgb;                 // uint8 [H, W, 3]
  bool first_of_several = false;  // the file has more pages or frames, which are left alone
};

// What a file holds decides, not its name. Alpha is composited on white, 16 bits become 8, EXIF orientation is
// not applied. Throws Error that begins with path: a kind of file or of pixels that is not read, damaged, cut
// short.
DecodedImage decode_image(const std::string& path);

}  // namespace vqt
