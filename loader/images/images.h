// Pictures from a folder, prepared as VGGT's official loader prepares them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "loader/archive/tensor_file.h"
#include "loader/images/image_options.h"
#include "loader/images/placement.h"

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

// What a picture is resized to, before rows are cropped or white is added.
Size resized_size(Size picture, Preprocess preprocess, int64_t image_size);

struct Prepared {
  at::Tensor image;     // uint8 [3, h, w]
  Placement placement;  // of the picture in it
};
// uint8 [H, W, 3] -> resized with antialiased bicubic, then cropped or padded with white.
Prepared prepare_image(const at::Tensor& picture, Preprocess preprocess, int64_t image_size);

// Called after each picture: done, total.
using ImageProgress = std::function<void(int64_t done, int64_t total)>;

struct Images {
  at::Tensor frames;               // float32 [S, 3, H, W] in [0, 1]; smaller frames padded with 1
  std::vector<std::string> names;  // file names
  int64_t count() const { return frames.size(0); }
};
Images load_images(const ImageList& list, const ImageOptions& options, const ImageProgress& progress = {});

// The same frames in a tensor file, so that any number of images needs the memory of one: a uint8 [3, h, w] for each
// image, as large as that one is.
struct ImageFile {
  std::shared_ptr<const TensorFile> file;
  std::vector<Size> sizes;            // of its tensors
  Size frame;                         // of the largest: what the model is fed
  std::vector<std::string> names;     // file names
  std::vector<Placement> placements;  // in the frame
  uint32_t crc32 = 0;                 // of all pixels
  int64_t count() const { return static_cast<int64_t>(sizes.size()); }
};
ImageFile write_images(const ImageList& list, const ImageOptions& options, const std::string& path,
                       const ImageProgress& progress = {});
// What write_images wrote, without placements and crc32, which its file does not hold. Throws ArchiveError.
ImageFile open_images(const std::string& path);
// Frames [first, first + count) as load_images gives them. Throws ArchiveError.
at::Tensor read_images(const ImageFile& images, int64_t first, int64_t count);

// Frames as the model's input: normalised, in the layout of options.
at::Tensor model_input(const at::Tensor& frames, const ImageOptions& options);
// Of some of the frames: [first, first + count).
at::Tensor model_input(const at::Tensor& frames, int64_t first, int64_t count, const ImageOptions& options);

}  // namespace vqt
