// Pictures from a folder, prepared as VGGT's official loader prepares them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "image_options.h"

namespace vqt {

// The folder or a picture cannot be used; the message names it.
struct ImageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ImageList {
  std::string folder;  // where the pictures are: the folder asked for or its only subfolder with pictures
  bool from_subfolder = false;     // worth telling the user
  std::vector<std::string> paths;  // sorted bytewise by file name
};

// max_images < 0: all. Throws ImageError: no such folder, no pictures, pictures in several subfolders.
ImageList list_images(const std::string& folder, int64_t max_images = -1);

// uint8 [H, W, 3], RGB. Alpha is composited on white, 16 bits become 8, EXIF orientation is not applied.
at::Tensor decode_image(const std::string& path);

struct Size {
  int64_t height = 0, width = 0;
  bool operator==(const Size& o) const { return height == o.height && width == o.width; }
};
// What a picture is resized to, before rows are cropped or white is added.
Size resized_size(Size picture, Preprocess preprocess, int64_t image_size);

// uint8 [H, W, 3] -> uint8 [3, h, w]: resized with antialiased bicubic, then cropped or padded with white.
at::Tensor prepare_image(const at::Tensor& picture, Preprocess preprocess, int64_t image_size);

struct Images {
  at::Tensor frames;               // float32 [S, 3, H, W] in [0, 1]; smaller frames padded with 1
  std::vector<std::string> names;  // file names
  int64_t count() const { return frames.size(0); }
};
// Called after each picture: done, total.
using ImageProgress = std::function<void(int64_t done, int64_t total)>;
Images load_images(const ImageList& list, const ImageOptions& options, const ImageProgress& progress = {});

// Frames [first, first + count) as the model's input: normalised, in the layout of options.
at::Tensor model_input(const at::Tensor& frames, int64_t first, int64_t count, const ImageOptions& options);

}  // namespace vqt
