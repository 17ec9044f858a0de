// Images resized, cropped and padded to what a model is fed, as VGGT's official loader does it.
#pragma once

#include <ATen/core/Tensor.h>

#include "loader/images/image_options.h"
#include "loader/images/placement.h"
#include "vqt/error.h"

namespace vqt {

// What an image is resized to, before rows are cropped or white is added.
Size resized_size(Size original, Preprocess preprocess, int64_t image_size);

struct Prepared {
  at::Tensor image;     // uint8 [3, h, w]
  Placement placement;  // of the original in it
};
// uint8 [H, W, 3] -> resized with antialiased bicubic, then cropped or padded with white.
Prepared prepare_image(const at::Tensor& original, Preprocess preprocess, int64_t image_size);

// uint8 or float [3, h, w] in the middle of [3, H, W] filled with white; the smaller half is on
// the top and left.
at::Tensor pad_white(const at::Tensor& image, int64_t height, int64_t width, double white);
// Where the original is once pad_white has put its frame, of size `of`, into a larger one.
Placement padded(Placement placement, Size of, Size frame);

}  // namespace vqt
