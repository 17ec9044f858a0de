// Point clouds as they are shown: points, colours, images and distances. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vqt {

struct CloudFigure {
  std::string output, confidence;
  double percent = 0, threshold = 0;
  int64_t pictures = 0;
  double size = 0;   // mean distance of the float model's points from its first camera
  double scale = 0;  // distance of the last colour: the largest 99th percentile among the models
  struct Cloud {
    std::string name;
    std::string file;              // path of the PLY file in the output folder
    std::vector<float> points;     // [n][3]
    int64_t count = 0;             // in the file: those that are finite
    std::string picture;           // JPEG
    std::string distance_picture;  // the float model's points, coloured by the distance to this model's; JPEG
    double mean_distance = 0, median_distance = 0;  // over pixels whose points are finite in both
  };
  std::vector<uint8_t> colours;  // of all clouds, [n][3]
  Cloud reference;               // without distances
  std::vector<Cloud> models;
};

}  // namespace vqt
