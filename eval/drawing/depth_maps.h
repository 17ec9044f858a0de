// Depth maps of the float and the quantized model side by side with their difference. Plain arrays in, PNG
// out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "eval/results/depth_map.h"

namespace vqt {

// One frame: the image, and the depth by the reference and by every model.
struct DepthFrame {
  std::string picture;  // file name
  int64_t index = 0;    // in the scene
  int64_t height = 0, width = 0;
  std::vector<float> photo;                                        // RGB in [0, 1], [3][height][width]
  std::vector<float> reference;                                    // [height][width]
  std::vector<std::pair<std::string, std::vector<float>>> models;  // name, [height][width]
};

DepthScale depth_scale(const DepthFrame& frame);

DepthMap draw_depth(const DepthFrame& frame, const std::string& output, const std::string& reference_name);

// "#rrggbb" from low to high, for a legend.
std::vector<std::string> depth_colours(int count);
std::vector<std::string> difference_colours(int count);

}  // namespace vqt
