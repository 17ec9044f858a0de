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

// Depth along the optical axis of every pixel of a camera, row by row.
struct DepthFile {
  enum class Format {
    kFloat32,  // raw, in scene units; 0, negative, Inf and NaN are unknown
    kPng16,    // 16 bits; 0 and 65535 are unknown
  };
  std::string path;  // empty: none
  Format format = Format::kFloat32;
  double unit = 1;  // of the file's numbers, in scene units
};

struct PictureTruth {
  bool known = false;    // false: the scene's files have no pose for it, nothing below is set
  PinholeCamera camera;  // width 0: not known, so neither is depth
  Pose pose;
  double centre_error = 0;  // by how much the camera's place may be off, as its file's numbers are rounded
  DepthFile depth;
  std::vector<Vec3> points;  // in the world; used where there is no depth file
};

struct SceneTruth {
  std::string folder;
  std::string layout;                  // ETH3D, COLMAP, ...
  std::vector<PictureTruth> pictures;  // one for every name asked for
  std::string depth_source;            // folder of the depth files, or points3D.txt; empty: no depth
  std::vector<std::string> notes;      // what is left out, and why
};

// Whether the cameras are farther apart than the rounding of their poses. Where not, there is no direction
// from one to the other.
bool apart(const PictureTruth& a, const PictureTruth& b);

}  // namespace vqt
