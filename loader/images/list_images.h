// Which images a folder holds. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vqt/error.h"

namespace vqt {

struct ImageList {
  std::string folder;              // the folder asked for, or its only subfolder with images
  bool from_subfolder = false;     // worth telling the user
  std::vector<std::string> paths;  // sorted bytewise by file name
  // Names of the folder's other images, whose kind is not read (.heic, .dng), sorted likewise.
  std::vector<std::string> left_out = {};
};

// Images are told by the endings of their names. max_images < 0: all. Throws Error: no such folder, no images, images in several subfolders.
ImageList list_images(const std::string& folder, int64_t max_images = -1);

}  // namespace vqt
