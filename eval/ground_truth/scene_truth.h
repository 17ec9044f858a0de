// Ground truth of the images of a scene, as its files give it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/ground_truth/pose.h"

namespace vqt {

// Without distortion. In pixels; the centre of the first pixel is at (0.5, 0.5).
struct PinholeCamera {
  int64_t width = 0, height = 0;
  double fx = 0, fy = 0, cx = 0, cy = 0;
};

struct PictureTruth {
  bool known = false;  // false: images.txt does not have it, nothing below is set
  PinholeCamera camera;
  Pose pose;
  std::string depth_file;    // empty: none
  std::vector<Vec3> points;  // in the world; used where there is no depth file
};

struct SceneTruth {
  std::string folder;
  std::vector<PictureTruth> pictures;  // one for every name asked for
  std::string depth_source;            // folder of the depth files, or points3D.txt; empty: no depth
  std::vector<std::string> notes;      // what is missing
};

}  // namespace vqt
