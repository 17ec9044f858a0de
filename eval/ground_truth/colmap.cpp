#include "eval/ground_truth/colmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "eval/ground_truth/colmap_binary.h"
#include "eval/ground_truth/colmap_text.h"
#include "eval/ground_truth/written_digits.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kLargestSide = 1000000;  // pixels; products of two stay far below 2^63

// src/colmap/sensor/models.h of COLMAP.
constexpr ColmapCameraModel kModels[] = {
    {0, "SIMPLE_PINHOLE", 1, 0, false},
    {1, "PINHOLE", 2, 0, false},
    {2, "SIMPLE_RADIAL", 1, 1, false},
    {3, "RADIAL", 1, 2, false},
    {4, "OPENCV", 2, 4, false},
    {5, "OPENCV_FISHEYE", 2, 4, true},
    {6, "FULL_OPENCV", 2, 8, false},
    {7, "FOV", 2, 1, true},
    {8, "SIMPLE_RADIAL_FISHEYE", 1, 1, true},
    {9, "RADIAL_FISHEYE", 1, 2, true},
    {10, "THIN_PRISM_FISHEYE", 2, 8, true},
    {11, "RAD_TAN_THIN_PRISM_FISHEYE", 2, 12, true},
};

template <class Wanted>
const ColmapCameraModel* find_model(Wanted wanted) {
  const auto found = std::find_if(std::begin(kModels), std::end(kModels), wanted);
  return found == std::end(kModels) ? nullptr : found;
}

bool is_binary(const std::string& path) { return fs::path(path).extension() == ".bin"; }

// Rotations as written become rotations. A camera's place is -R^-1 t: it is off as t is, and by |t| times the
// angle that R is off.
void finish_poses(std::vector<ColmapImage>& images) {
  WrittenDigits rotations, translations;
  for (const ColmapImage& image : images) {
    const Quaternion& q = image.pose.rotation;
    for (const double v : {q.w, q.x, q.y, q.z}) rotations.add(v);
    translations.add(image.pose.translation);
  }
  // What was made in float32 is off by that much in both, though digits of one may say more.
  const double part =
      std::max(rotations.error(0.5), translations.single_precision() ? WrittenDigits::kFloatStep : 0);
  for (ColmapImage& image : images) {
    const Vec3& t = image.pose.translation;
    const double angle = 4 * part;  // twice the length of what the quaternion's four parts are off
    image.centre_error = translations.error(t) + angle * std::sqrt(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]);
    image.pose.rotation = normalized(image.pose.rotation);
  }
}

}  // namespace

std::optional<ColmapFiles> colmap_files(const std::string& folder) {
  for (const std::string ending : {".bin", ".txt"}) {
    const auto path = [&](const char* name) { return (fs::path(folder) / (name + ending)).string(); };
    if (!fs::is_regular_file(path("cameras")) || !fs::is_regular_file(path("images"))) continue;
    return ColmapFiles{path("cameras"), path("images"),
                       fs::is_regular_file(path("points3D")) ? path("points3D") : ""};
  }
  return {};
}

ColmapCameras read_colmap_cameras(const std::string& path) {
  return is_binary(path) ? read_binary_cameras(path) : read_text_cameras(path);
}

std::vector<ColmapImage> read_colmap_images(const std::string& path) {
  std::vector<ColmapImage> images = is_binary(path) ? read_binary_images(path) : read_text_images(path);
  finish_poses(images);
  return images;
}

ColmapPoints read_colmap_points(const std::string& path) {
  return is_binary(path) ? read_binary_points(path) : read_text_points(path);
}

const ColmapCameraModel* find_colmap_model(const std::string& name) {
  return find_model([&](const ColmapCameraModel& m) { return m.name == name; });
}

const ColmapCameraModel* find_colmap_model(int64_t id) {
  return find_model([&](const ColmapCameraModel& m) { return m.id == id; });
}

PinholeCamera colmap_camera(const ColmapCameraModel& model, int64_t width, int64_t height,
                            const std::vector<double>& parameters) {
  const size_t expected = model.focal_lengths + 2 + model.coefficients;
  if (!model.fisheye && parameters.size() != expected) {
    throw Error(fmt::format("PARAMS: expected {} of {} ({} cx cy{}), got {}", expected, model.name,
                            model.focal_lengths == 1 ? "f" : "fx fy",
                            model.coefficients > 0 ? " and its coefficients" : "", parameters.size()));
  }
  const bool distorted = model.fisheye || std::any_of(parameters.end() - model.coefficients, parameters.end(),
                                                      [](double k) { return k != 0; });
  if (distorted) {
    throw Error(
        fmt::format("MODEL: expected PINHOLE, SIMPLE_PINHOLE or a model whose distortion is 0, got "
                    "{}{}; undistort the images first, as colmap image_undistorter does",
                    model.name, model.fisheye ? "" : " with distortion"));
  }
  PinholeCamera c{width,
                  height,
                  parameters[0],
                  parameters[model.focal_lengths - 1],
                  parameters[model.focal_lengths],
                  parameters[model.focal_lengths + 1]};
  if (c.width <= 0 || c.height <= 0 || c.width > kLargestSide || c.height > kLargestSide) {
    throw Error(
        fmt::format("WIDTH and HEIGHT: expected 1 to {}, got {} x {}", kLargestSide, c.width, c.height));
  }
  if (c.fx <= 0 || c.fy <= 0)
    throw Error(fmt::format("fx and fy: expected more than 0, got {} and {}", c.fx, c.fy));
  return c;
}

}  // namespace vqt
