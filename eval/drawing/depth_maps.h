// Depth maps of the float and the quantized model side by side with their difference. Plain arrays in, PNG
// out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vqt {

// One frame: what the reference saw and said, and what every model said.
struct DepthFrame {
  std::string picture;  // file name
  int64_t index = 0;    // in the scene
  int64_t height = 0, width = 0;
  std::vector<float> photo;                                        // RGB in [0, 1], [3][height][width]
  std::vector<float> reference;                                    // [height][width]
  std::vector<std::pair<std::string, std::vector<float>>> models;  // name, [height][width]
};

// Depth is coloured by the 2nd to 98th percentile of the reference. Differences: in the report by the largest
// 99th percentile among the models, so that models can be compared by eye; in a model's own figure by its
// own.
struct DepthScale {
  double low = 0, high = 1, difference = 0;
};
DepthScale depth_scale(const DepthFrame& frame);

struct DepthMap {
  std::string output;  // path of the output that was drawn
  std::string picture;
  int64_t index = 0;
  DepthScale scale;
  std::string photo_jpeg, reference_jpeg;  // panels for the HTML report
  struct Model {
    std::string name;
    std::string png;                          // the whole figure with legends
    std::string depth_jpeg, difference_jpeg;  // panels
    double mean_difference = 0;               // over finite pixels
  };
  std::vector<Model> models;
};
DepthMap draw_depth(const DepthFrame& frame, const std::string& output, const std::string& reference_name);

// "#rrggbb" from low to high, for a legend.
std::vector<std::string> depth_colours(int count);
std::vector<std::string> difference_colours(int count);

}  // namespace vqt
