// The steps and roundings are those of VGGT's loader, which works with Pillow: 8-bit bicubic (a = -0.5,
// antialiased), heights rounded half to even.
#include "loader/images/fit_image.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vqt {
namespace {

int64_t round_to_patch(double pixels) {
  return kPatch * static_cast<int64_t>(std::nearbyint(pixels / kPatch));  // half to even
}

}  // namespace

at::Tensor pad_white(const at::Tensor& image, int64_t height, int64_t width, double white) {
  const int64_t h = image.size(1), w = image.size(2);
  if (h == height && w == width) return image;
  at::Tensor padded = at::full({3, height, width}, white, image.options());
  padded.narrow(1, (height - h) / 2, h).narrow(2, (width - w) / 2, w).copy_(image);
  return padded;
}

Placement padded(Placement placement, Size of, Size frame) {
  placement.top += (frame.height - of.height) / 2;
  placement.left += (frame.width - of.width) / 2;
  return placement;
}

Size resized_size(Size original, Preprocess preprocess, int64_t image_size) {
  const double h = original.height, w = original.width, side = image_size;
  // The order of operations is the official loader's: it decides which way a half falls.
  if (preprocess == Preprocess::kCrop || w >= h) return {round_to_patch(h * (side / w)), image_size};
  return {image_size, round_to_patch(w * (side / h))};
}

Prepared prepare_image(const at::Tensor& original, Preprocess preprocess, int64_t image_size) {
  const Size from{original.size(0), original.size(1)};
  const Size to = resized_size(from, preprocess, image_size);
  if (to.height == 0 || to.width == 0) {
    throw Error(fmt::format(
        "an image of {} x {} (width x height) is less than half a patch high or wide at image_size {}",
        from.width, from.height, image_size));
  }
  // [1, 3, H, W] in channels-last memory, uint8: torch then rounds between the two passes as Pillow does.
  at::Tensor image = original.permute({2, 0, 1}).unsqueeze(0);
  if (!(from == to))
    image = at::_upsample_bicubic2d_aa(image, {to.height, to.width}, /*align_corners=*/false);
  image = image.squeeze(0);
  if (preprocess == Preprocess::kPad) {
    const Placement placement = padded({from, to, 0, 0}, to, {image_size, image_size});
    return {pad_white(image, image_size, image_size, 255).contiguous(), placement};
  }
  const int64_t cut = std::max<int64_t>(0, to.height - image_size) / 2;  // rows above
  if (to.height > image_size) image = image.narrow(1, cut, image_size);
  return {image.contiguous(), {from, to, -cut, 0}};
}

}  // namespace vqt
