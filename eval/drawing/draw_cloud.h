// A scene's points by the float and by every quantized model from one viewpoint, and how far the points of
// the same pixels are apart. Plain arrays in, PLY and JPEG out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "eval/ground_truth/pose.h"
#include "eval/results/cloud_figure.h"

namespace vqt {

struct ModelPoints {
  std::vector<float> points;         // [n][3]
  std::vector<SceneCamera> cameras;  // one for each image, or none
};

// The same pixels by every model, those of the first forward pass.
struct CloudPoints {
  std::string output;                 // path of the output with points, or depth if computed from it
  std::string confidence;             // path; empty: not asked, or the model returns none
  double percent = 0, threshold = 0;  // how many it left out, and the least it kept
  int64_t pictures = 0;
  Pose camera;                      // of the first image by the float model
  std::vector<std::string> images;  // file names
  std::vector<uint8_t> colours;     // RGB, [n][3]
  std::vector<ScenePixel> pixels;   // [n]
  ModelPoints reference;
  std::vector<std::pair<std::string, ModelPoints>> models;  // by name
};

CloudFigure draw_cloud(CloudPoints points, const std::string& reference_name);

// A pinhole camera: u = focal * x / z + u0, v = focal * y / z + v0, pixel centres at whole numbers.
struct CloudView {
  Pose pose;
  double focal = 1, u0 = 0, v0 = 0;
  int width = 0, height = 0;
};
// From above and behind the camera towards the middle of the points, so that nearly all are in the image.
CloudView view_from_behind(const std::vector<float>& points, const Pose& camera);

// Squares' sides in pixels with which neighbours touch: points follow each other as pixels do in a row, and a
// point reaches to the nearer of its two neighbours.
std::vector<int> point_sides(const std::vector<float>& points, const CloudView& view);

// Every point is a square; the nearer hides the farther. RGB, [height][width][3].
std::vector<uint8_t> draw_points(const std::vector<float>& points, const std::vector<uint8_t>& colours,
                                 const std::vector<int>& sides, const CloudView& view);

}  // namespace vqt
