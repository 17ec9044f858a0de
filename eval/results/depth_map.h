// Depth maps as they are drawn: the images and the range of their colours. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vqt {

// Depth is coloured by the 2nd to 98th percentile of the reference. Differences: in the report by the largest
// 99th percentile among the models, so that models can be compared by eye; in a model's own figure by its
// own.
struct DepthScale {
  double low = 0, high = 1, difference = 0;
};

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

}  // namespace vqt
