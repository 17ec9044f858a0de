#include "eval/drawing/draw_cloud.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "eval/drawing/colour_map.h"
#include "eval/drawing/point_cloud.h"
#include "loader/cli/file_name.h"

namespace vqt {
namespace {

constexpr int kWidth = 640, kHeight = 480;
constexpr double kMargin = 0.04;              // of the image, on each side
constexpr double kBack = 0.5, kAbove = 0.45;  // of the median depth
constexpr double kOverlap = 2;                // squares to their neighbours' distance
// Rows may be farther apart than the neighbours in them: on a floor, or where few points are shown.
constexpr int kLeastSide = 2, kLargestSide = 12;
constexpr uint8_t kEmpty[3] = {88, 93, 102};  // neither dark nor light pages and points vanish in it

Vec3 point(const std::vector<float>& points, size_t i) {
  return {points[3 * i], points[3 * i + 1], points[3 * i + 2]};
}

double length(const Vec3& v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

Vec3 minus(const Vec3& a, const Vec3& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

// NaN where a point is not finite in both.
std::vector<float> distances(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> result(a.size() / 3);
  for (size_t i = 0; i < result.size(); ++i) {
    const double d = length(minus(point(a, i), point(b, i)));
    result[i] = std::isfinite(d) ? static_cast<float>(d) : NAN;
  }
  return result;
}

double finite_mean(const std::vector<float>& values) {
  double sum = 0;
  int64_t count = 0;
  for (const float v : values) {
    if (!std::isfinite(v)) continue;
    sum += v;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

int64_t finite_points(const std::vector<float>& points) {
  int64_t count = 0;
  for (size_t i = 0; i < points.size(); i += 3) count += finite_point(&points[i]);
  return count;
}

std::string jpeg(std::vector<uint8_t> rgb, const CloudView& view) {
  const cv::Mat image(view.height, view.width, CV_8UC3, rgb.data());
  cv::Mat bgr;
  cv::cvtColor(image, bgr, cv::COLOR_RGB2BGR);
  return encoded(bgr, ".jpg");
}

std::vector<uint8_t> distance_colours(const std::vector<float>& distances, double scale) {
  const cv::Mat bgr = coloured(distances, static_cast<int>(distances.size()), 1, 0, scale, kDifferenceMap);
  std::vector<uint8_t> rgb(3 * distances.size());
  for (size_t i = 0; i < rgb.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) rgb[i + c] = bgr.data[i + 2 - c];
  }
  return rgb;
}

// scene/NAME.ply, or scene/NAME-2.ply, ... where others are called so.
std::string free_file(std::set<std::string>& taken, const std::string& part) {
  std::string file = fmt::format("scene/{}.ply", part);
  for (int n = 2; !taken.insert(file).second; ++n) file = fmt::format("scene/{}-{}.ply", part, n);
  return file;
}

// Turns the camera by an angle about its x axis: positive looks down.
Quaternion pitched(double angle) { return {std::cos(angle / 2), std::sin(angle / 2), 0, 0}; }

}  // namespace

CloudView view_from_behind(const std::vector<float>& points, const Pose& camera) {
  CloudView view;
  view.width = kWidth;
  view.height = kHeight;
  std::vector<float> axes[3];
  for (size_t i = 0; i < points.size() / 3; ++i) {
    const Vec3 p = to_camera(camera, point(points, i));
    for (int k = 0; k < 3; ++k) axes[k].push_back(static_cast<float>(p[k]));
  }
  const Vec3 middle = {finite_percentile(axes[0], 0.5), finite_percentile(axes[1], 0.5),
                       finite_percentile(axes[2], 0.5)};
  const double depth = std::max(std::abs(middle[2]), 1e-6);
  const Vec3 eye = {middle[0], middle[1] - kAbove * depth, -kBack * depth};
  const Quaternion pitch = pitched(std::atan2(middle[1] - eye[1], middle[2] - eye[2]));
  view.pose = {multiply(pitch, camera.rotation), rotate(pitch, minus(camera.translation, eye))};
  std::vector<float> u, v;
  for (size_t i = 0; i < points.size() / 3; ++i) {
    const Vec3 p = to_camera(view.pose, point(points, i));
    if (!(p[2] > 0)) continue;
    u.push_back(static_cast<float>(p[0] / p[2]));
    v.push_back(static_cast<float>(p[1] / p[2]));
  }
  const double left = finite_percentile(u, 0.01), right = finite_percentile(u, 0.99);
  const double top = finite_percentile(v, 0.01), bottom = finite_percentile(v, 0.99);
  view.focal = (1 - 2 * kMargin) *
               std::min(kWidth / std::max(right - left, 1e-6), kHeight / std::max(bottom - top, 1e-6));
  view.u0 = 0.5 * kWidth - view.focal * (left + right) / 2;
  view.v0 = 0.5 * kHeight - view.focal * (top + bottom) / 2;
  return view;
}

std::vector<int> point_sides(const std::vector<float>& points, const CloudView& view) {
  const size_t n = points.size() / 3;
  std::vector<float> reach(n);
  for (size_t i = 0; i < n; ++i) {
    const Vec3 p = point(points, i);
    double near = std::numeric_limits<double>::infinity();
    if (i > 0) near = std::min(near, length(minus(p, point(points, i - 1))));
    if (i + 1 < n) near = std::min(near, length(minus(p, point(points, i + 1))));
    reach[i] = static_cast<float>(view.focal * near / to_camera(view.pose, p)[2]);
  }
  const double most = 3 * finite_percentile(reach, 0.5);  // lone points stay small
  std::vector<int> sides(n, 1);
  for (size_t i = 0; i < n; ++i) {
    if (reach[i] > 0 && std::isfinite(reach[i]))
      sides[i] = std::clamp(static_cast<int>(std::lround(kOverlap * std::min<double>(reach[i], most))),
                            kLeastSide, kLargestSide);
  }
  return sides;
}

std::vector<uint8_t> draw_points(const std::vector<float>& points, const std::vector<uint8_t>& colours,
                                 const std::vector<int>& sides, const CloudView& view) {
  const int64_t pixels = int64_t{view.width} * view.height;
  std::vector<uint8_t> picture(3 * pixels);
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = kEmpty[i % 3];
  std::vector<double> depth(pixels, std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < sides.size(); ++i) {
    const Vec3 p = to_camera(view.pose, point(points, i));
    const double u = view.focal * p[0] / p[2] + view.u0, v = view.focal * p[1] / p[2] + view.v0;
    // Written so that NaN leaves here.
    if (!(p[2] > 0 && u > -kLargestSide && u < view.width + kLargestSide && v > -kLargestSide &&
          v < view.height + kLargestSide))
      continue;
    const int left = static_cast<int>(std::lround(u)) - (sides[i] - 1) / 2;
    const int top = static_cast<int>(std::lround(v)) - (sides[i] - 1) / 2;
    for (int y = std::max(0, top); y < std::min(view.height, top + sides[i]); ++y) {
      for (int x = std::max(0, left); x < std::min(view.width, left + sides[i]); ++x) {
        const int64_t at = int64_t{y} * view.width + x;
        if (p[2] >= depth[at]) continue;
        depth[at] = p[2];
        std::copy_n(&colours[3 * i], 3, &picture[3 * at]);
      }
    }
  }
  return picture;
}

CloudFigure draw_cloud(CloudPoints points, const std::string& reference_name) {
  CloudFigure figure;
  figure.output = points.output;
  figure.confidence = points.confidence;
  figure.percent = points.percent;
  figure.threshold = points.threshold;
  figure.pictures = points.pictures;
  const Vec3 centre = to_world(points.camera, {0, 0, 0});
  std::vector<float> centres;
  for (size_t i = 0; i < points.reference.points.size(); ++i)
    centres.push_back(static_cast<float>(centre[i % 3]));
  figure.size = finite_mean(distances(points.reference.points, centres));
  std::vector<std::vector<float>> moved;
  for (const auto& [name, model] : points.models) {
    moved.push_back(distances(points.reference.points, model.points));
    figure.scale = std::max(figure.scale, finite_percentile(moved.back(), 0.99));
  }
  const CloudView view = view_from_behind(points.reference.points, points.camera);
  const std::vector<int> sides = point_sides(points.reference.points, view);
  std::set<std::string> files;
  const auto cloud = [&](const std::string& name, const std::string& part, const ModelPoints& of) {
    CloudFigure::Cloud c;
    c.name = name;
    c.file = free_file(files, part);
    c.cameras = of.cameras;
    c.count = finite_points(of.points);
    c.picture = jpeg(draw_points(of.points, points.colours, sides, view), view);
    return c;
  };
  figure.reference = cloud(reference_name, "float", points.reference);
  for (size_t m = 0; m < points.models.size(); ++m) {
    auto& [name, model] = points.models[m];
    CloudFigure::Cloud c = cloud(name, cli::sanitize_filename(name), model);
    c.distance_picture = jpeg(
        draw_points(points.reference.points, distance_colours(moved[m], figure.scale), sides, view), view);
    c.mean_distance = finite_mean(moved[m]);
    c.median_distance = finite_percentile(moved[m], 0.5);
    c.points = std::move(model.points);
    figure.models.push_back(std::move(c));
  }
  figure.reference.points = std::move(points.reference.points);
  figure.images = std::move(points.images);
  figure.colours = std::move(points.colours);
  figure.pixels = std::move(points.pixels);
  return figure;
}

}  // namespace vqt
