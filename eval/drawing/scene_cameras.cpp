#include "eval/drawing/scene_cameras.h"

#include <cmath>

#include "eval/ground_truth/truth_errors.h"

namespace vqt {
namespace {

// Along one axis: a coordinate of the frame to one of the file.
double to_file(double at, int64_t original, int64_t resized, int64_t offset) {
  return (at - static_cast<double>(offset)) * static_cast<double>(original) / static_cast<double>(resized);
}

double focal_length(double angle, int64_t side, int64_t original, int64_t resized) {
  return static_cast<double>(side) / 2 / std::tan(angle / 2) * static_cast<double>(original) /
         static_cast<double>(resized);
}

}  // namespace

std::vector<SceneCamera> scene_cameras(const std::vector<double>& encodings,
                                       const std::vector<Placement>& placements, Size frame) {
  std::vector<SceneCamera> cameras;
  for (size_t i = 0; i < encodings.size() / 9; ++i) {
    const double* encoding = &encodings[9 * i];
    const Placement& p = placements[i];
    SceneCamera& found = cameras.emplace_back();
    found.pose = decode_pose(encoding);
    PinholeCamera& c = found.camera;
    c.width = p.original.width;
    c.height = p.original.height;
    c.fx = focal_length(encoding[8], frame.width, p.original.width, p.resized.width);
    c.fy = focal_length(encoding[7], frame.height, p.original.height, p.resized.height);
    c.cx = to_file(static_cast<double>(frame.width) / 2, p.original.width, p.resized.width, p.left);
    c.cy = to_file(static_cast<double>(frame.height) / 2, p.original.height, p.resized.height, p.top);
    const Vec3 centre = to_world(found.pose, {0, 0, 0});
    found.known = c.fx > 0 && c.fy > 0 && std::isfinite(c.fx + c.fy + centre[0] + centre[1] + centre[2]);
  }
  return cameras;
}

std::vector<ScenePixel> scene_pixels(const std::vector<int64_t>& indices,
                                     const std::vector<Placement>& placements, Size frame) {
  std::vector<ScenePixel> pixels;
  const int64_t plane = frame.height * frame.width;
  for (const int64_t i : indices) {
    const int64_t image = i / plane, row = i % plane / frame.width, column = i % frame.width;
    const Placement& p = placements[image];
    pixels.push_back(
        {static_cast<int32_t>(image),
         static_cast<float>(to_file(static_cast<double>(column), p.original.width, p.resized.width, p.left)),
         static_cast<float>(to_file(static_cast<double>(row), p.original.height, p.resized.height, p.top))});
  }
  return pixels;
}

}  // namespace vqt
