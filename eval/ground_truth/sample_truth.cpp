#include "eval/ground_truth/sample_truth.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

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

// Rows of a depth file in scene units; NaN where the file has none. Throws Error.
class DepthRows {
 public:
  DepthRows(const DepthFile& depth, const PinholeCamera& camera) : depth_(depth), width_(camera.width) {
    if (depth.format == DepthFile::Format::kFloat32) {
      file_.open(depth.path, std::ios::binary);
      row_.resize(width_);
      return;
    }
    image_ = cv::imread(depth.path, cv::IMREAD_UNCHANGED);
    if (image_.empty()) throw Error(fmt::format("{}: cannot be read as a PNG", depth.path));
    if (image_.type() != CV_16UC1) {
      throw Error(fmt::format("{}: expected a grey PNG of 16 bits, got {} channels of {} bits", depth.path,
                              image_.channels(), 8 * image_.elemSize1()));
    }
    if (image_.cols != camera.width || image_.rows != camera.height) {
      throw Error(fmt::format("{}: expected {} x {}, the size of its camera, got {} x {}", depth.path,
                              camera.width, camera.height, image_.cols, image_.rows));
    }
    row_.resize(width_);
  }

  const std::vector<float>& read(int64_t v) {
    if (image_.empty()) {
      const auto bytes = width_ * static_cast<int64_t>(sizeof(float));
      file_.seekg(v * bytes);
      file_.read(reinterpret_cast<char*>(row_.data()), bytes);
      if (!file_) throw Error(fmt::format("{}: cannot be read: {}", depth_.path, std::strerror(errno)));
      return row_;
    }
    const auto* values = image_.ptr<uint16_t>(static_cast<int>(v));
    for (int64_t u = 0; u < width_; ++u)
      row_[u] = values[u] == 65535 ? NAN : static_cast<float>(values[u] * depth_.unit);
    return row_;
  }

 private:
  const DepthFile& depth_;
  int64_t width_;
  std::ifstream file_;
  cv::Mat image_;
  std::vector<float> row_;
};

void sample_file(const PictureTruth& truth, const Placement& p, Size size, FrameTruth& frame) {
  const PinholeCamera& c = truth.camera;
  DepthRows rows(truth.depth, c);
  for (int64_t y = 0; y < size.height; ++y) {
    const int64_t v = camera_pixel(y, c.height, p.resized.height, p.top);
    if (v < 0) continue;
    const std::vector<float>& row = rows.read(v);
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

FrameTruth unknown_depth(Size frame) {
  FrameTruth truth;
  truth.depth.assign(frame.height * frame.width, 0.f);
  truth.points.assign(3 * frame.height * frame.width, 0.f);
  return truth;
}

}  // namespace

FrameTruth sample_truth(const PictureTruth& truth, const Placement& placement, Size frame,
                        const std::string& name) {
  FrameTruth result = unknown_depth(frame);
  if (!truth.known || truth.camera.width == 0) return result;
  check_shape(truth.camera, placement.original, name);
  if (truth.depth.path.empty()) {
    sample_points(truth, placement, frame, result);
    return result;
  }
  try {
    sample_file(truth, placement, frame, result);
  } catch (const Error& e) {
    result = unknown_depth(frame);
    result.problem = e.what();
  }
  return result;
}

}  // namespace vqt
