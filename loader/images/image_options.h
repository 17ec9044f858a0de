// How images become a model's input. Torch-free.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vqt {

enum class Preprocess {
  kCrop,  // width image_size, height rounded to 14, the middle image_size rows kept
  kPad,   // longer side image_size, the other rounded to 14, white around it up to image_size x image_size
};
enum class InputLayout {
  kBshw,  // [1, S, 3, H, W]: the frames of one scene, as VGGT takes them
  kBchw,  // [S, 3, H, W]: a batch of images
};

// What flags and JSON call them.
inline const std::vector<std::pair<std::string, Preprocess>> kPreprocessNames = {{"crop", Preprocess::kCrop},
                                                                                 {"pad", Preprocess::kPad}};
inline const std::vector<std::pair<std::string, InputLayout>> kInputLayoutNames = {
    {"bshw", InputLayout::kBshw}, {"bchw", InputLayout::kBchw}};

constexpr int64_t kPatch = 14;  // heights and widths are multiples of it

struct ImageOptions {
  Preprocess preprocess = Preprocess::kCrop;
  int64_t image_size = 518;  // pixels, a multiple of 14
  InputLayout layout = InputLayout::kBshw;
  // (x - mean) / std per channel, x in [0, 1]; VGGT does its own inside.
  std::array<double, 3> mean = {0, 0, 0};
  std::array<double, 3> std = {1, 1, 1};
};

}  // namespace vqt
