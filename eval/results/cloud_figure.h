// Point clouds as they are shown: points, colours, images and distances. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/ground_truth/scene_truth.h"

namespace vqt {

// A model's camera of an image, in the pixels of the image's file.
struct SceneCamera {
  bool known = false;  // false: the model's pose is not finite
  PinholeCamera camera;
  Pose pose;
};

// Where a point is seen, in the pixels of the image's file.
struct ScenePixel {
  int32_t image = 0;
  float x = 0, y = 0;
};

struct CloudFigure {
  std::string output, confidence;
  double percent = 0, threshold = 0;
  int64_t pictures = 0;
  double size = 0;   // mean distance of the float model's points from its first camera
  double scale = 0;  // distance of the last colour: the largest 99th percentile among the models
  struct Cloud {
    std::string name;
    std::string file;                  // path of the PLY file in the output folder; others are called alike
    std::vector<SceneCamera> cameras;  // one for each image; empty: the model returns no poses
    std::vector<float> points;         // [n][3]
    int64_t count = 0;                 // in the file: those that are finite
    std::string picture;               // JPEG
    std::string distance_picture;  // the float model's points, coloured by the distance to this model's; JPEG
    double mean_distance = 0, median_distance = 0;  // over pixels whose points are finite in both
  };
  std::vector<std::string> images;  // file names, of the first forward pass
  std::vector<uint8_t> colours;     // of all clouds, [n][3]
  std::vector<ScenePixel> pixels;   // of all clouds, [n]
  Cloud reference;                  // without distances
  std::vector<Cloud> models;
};

}  // namespace vqt
