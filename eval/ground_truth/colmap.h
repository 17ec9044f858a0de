// COLMAP's text files: cameras.txt, images.txt, points3D.txt.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/ground_truth/scene_truth.h"

namespace vqt {

struct ColmapImage {
  std::string name;  // as in the file: may have folders before it
  int64_t camera = 0;
  Pose pose;
  std::vector<int64_t> points;  // ids of the points seen in it
};

// Throw Error: no such file, a line that is not as expected, a camera that is not PINHOLE, an id
// that occurs twice.
std::map<int64_t, PinholeCamera> read_colmap_cameras(const std::string& path);
std::vector<ColmapImage> read_colmap_images(const std::string& path);
std::unordered_map<int64_t, Vec3> read_colmap_points(const std::string& path);

}  // namespace vqt
