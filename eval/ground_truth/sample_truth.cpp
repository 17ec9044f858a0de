#include "eval/ground_truth/sample_truth.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "vqt/error.h"

namespace vqt {
namespace {

// Which pixel of the frame shows a coordinate of the camera along one axis, or -1.
int64_t frame_pixel(double at, int64_t camera, int64_t resized, int64_t offset, int64_t frame) {
  const double pixel = std::floor(at * static_cast<double>(resized) / static_cast<double>(camera)) +
                       static_cast<double>(offset);
  return pixel >= 0 && pixel < static_cast<double>(frame) ? static_cast<int64_t>(pixel) : -1;
}

// Which pixel of the camera is nearest to the centre of a frame's pixel along one axis; -1: none, white.
int64_t camera_pixel(int64_t at, int64_t camera, int64_t resized, int64_t offset) {
  const int64_t inside = at - offset;
  if (inside < 0 || inside >= resized) return -1;
  return std::min(camera - 1, (2 * inside + 1) * camera / (2 * resized));
}

void put(FrameTruth& frame, int64_t index, double depth, const Vec3& world) {
  frame.depth[index] = static_cast<float>(depth);
  for (int k = 0; k < 3; ++k) frame.points[3 * index + k] = static_cast<float>(world[k]);
}

void sample_file(const PictureTruth& truth, const Placement& p, Size size, FrameTruth& frame) {
  const PinholeCamera& c = truth.camera;
  std::ifstream file(truth.depth_file, std::ios::binary);
  std::vector<float> row(c.width);
  for (int64_t y = 0; y < size.height; ++y) {
    const int64_t v = camera_pixel(y, c.height, p.resized.height, p.top);
    if (v < 0) continue;
    file.seekg(v * c.width * static_cast<int64_t>(sizeof(float)));
    file.read(reinterpret_cast<char*>(row.data()), c.width * static_cast<int64_t>(sizeof(float)));
    if (!file) {
      throw Error(fmt::format("{}: cannot be read: {}", truth.depth_file, std::strerror(errno)));
    }
    for (int64_t x = 0; x < size.width; ++x) {
      const int64_t u = camera_pixel(x, c.width, p.resized.width, p.left);
      if (u < 0 || !std::isfinite(row[u]) || row[u] <= 0) continue;
      const double z = row[u];
      const Vec3 camera = {(static_cast<double>(u) + 0.5 - c.cx) / c.fx * z,
                           (static_cast<double>(v) + 0.5 - c.cy) / c.fy * z, z};
      put(frame, y * size.width + x, z, to_world(truth.pose, camera));
    }
  }
}

void sample_points(const PictureTruth& truth, const Placement& p, Size size, FrameTruth& frame) {
  const PinholeCamera& c = truth.camera;
  for (const Vec3& point : truth.points) {
    const Vec3 at = to_camera(truth.pose, point);
    if (at[2] <= 0) continue;
    const double u = c.fx * at[0] / at[2] + c.cx, v = c.fy * at[1] / at[2] + c.cy;
    if (u < 0 || v < 0 || u >= static_cast<double>(c.width) || v >= static_cast<double>(c.height)) continue;
    const int64_t x = frame_pixel(u, c.width, p.resized.width, p.left, size.width);
    const int64_t y = frame_pixel(v, c.height, p.resized.height, p.top, size.height);
    if (x < 0 || y < 0) continue;
    const int64_t index = y * size.width + x;
    if (frame.depth[index] == 0 || at[2] < frame.depth[index]) put(frame, index, at[2], point);
  }
}

// A copy of the image in another size is fine, one of another shape is not.
void check_shape(const PinholeCamera& c, Size picture, const std::string& name) {
  const double scale = static_cast<double>(picture.width) / static_cast<double>(c.width);
  const double rows = static_cast<double>(c.height) * scale;
  if (std::abs(rows - static_cast<double>(picture.height)) <= 1 + 0.01 * rows) return;
  throw Error(
      fmt::format("{}: the image is {} x {}, its camera {} x {}: another shape, so it is not the image that "
                  "the ground truth is of",
                  name, picture.width, picture.height, c.width, c.height));
}

}  // namespace

FrameTruth sample_truth(const PictureTruth& truth, const Placement& placement, Size frame,
                        const std::string& name) {
  FrameTruth result;
  result.depth.assign(frame.height * frame.width, 0.f);
  result.points.assign(3 * frame.height * frame.width, 0.f);
  if (!truth.known) return result;
  check_shape(truth.camera, placement.original, name);
  if (truth.depth_file.empty()) {
    sample_points(truth, placement, frame, result);
  } else {
    sample_file(truth, placement, frame, result);
  }
  return result;
}

}  // namespace vqt
