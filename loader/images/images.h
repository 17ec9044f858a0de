// The images of a folder, prepared as a model's input.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loader/archive/tensor_file.h"
#include "loader/images/image_options.h"
#include "loader/images/list_images.h"
#include "loader/images/placement.h"
#include "vqt/error.h"

namespace vqt {

// Called after each image: done, total.
using ImageProgress = std::function<void(int64_t done, int64_t total)>;

struct Images {
  at::Tensor frames;               // float32 [S, 3, H, W] in [0, 1]; smaller frames padded with 1
  std::vector<std::string> names;  // file names
  std::vector<std::string>
      first_of_several;  // names of files with more pages or frames, which are left alone
  int64_t count() const { return frames.size(0); }
};
Images load_images(const ImageList& list, const ImageOptions& options, const ImageProgress& progress = {});

// The same frames in a tensor file, so that any number of images needs the memory of one: a uint8 [3, h, w]
// for each image, as large as that one is.
struct ImageFile {
  std::shared_ptr<const TensorFile> file;
  std::vector<Size> sizes;                    // of its tensors
  Size frame;                                 // of the largest: what the model is fed
  std::vector<std::string> names;             // file names
  std::vector<Placement> placements;          // in the frame
  std::vector<std::string> first_of_several;  // as of Images
  uint32_t crc32 = 0;                         // of all pixels
  int64_t count() const { return static_cast<int64_t>(sizes.size()); }
};
ImageFile write_images(const ImageList& list, const ImageOptions& options, const std::string& path,
                       const ImageProgress& progress = {});
// What write_images wrote, without placements, first_of_several and crc32, which its file does not hold. Throws
// Error.
ImageFile open_images(const std::string& path);
// Frames [first, first + count) as load_images gives them. Throws Error.
at::Tensor read_images(const ImageFile& images, int64_t first, int64_t count);

// Frames as the model's input: normalised, in the layout of options.
at::Tensor model_input(const at::Tensor& frames, const ImageOptions& options);
// Of some of the frames: [first, first + count).
at::Tensor model_input(const at::Tensor& frames, int64_t first, int64_t count, const ImageOptions& options);

}  // namespace vqt
