#include "eval/ground_truth/colmap.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "eval/ground_truth/text_lines.h"

namespace vqt {
std::map<int64_t, PinholeCamera> read_colmap_cameras(const std::string& path) {
  std::map<int64_t, PinholeCamera> cameras;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto id = lines.number<int64_t>("CAMERA_ID");
    const std::string model = lines.word("MODEL");
    if (model != "PINHOLE") {
      lines.fail(
          fmt::format("MODEL: expected PINHOLE (images without distortion), got {}; undistort the "
                      "images first, as colmap image_undistorter does",
                      model));
    }
    PinholeCamera c;
    c.width = lines.number<int64_t>("WIDTH");
    c.height = lines.number<int64_t>("HEIGHT");
    c.fx = lines.number<double>("fx");
    c.fy = lines.number<double>("fy");
    c.cx = lines.number<double>("cx");
    c.cy = lines.number<double>("cy");
    lines.expect_end("the four parameters fx fy cx cy");
    if (c.width <= 0 || c.height <= 0) {
      lines.fail(fmt::format("WIDTH and HEIGHT: expected more than 0, got {} x {}", c.width, c.height));
    }
    if (c.fx <= 0 || c.fy <= 0)
      lines.fail(fmt::format("fx and fy: expected more than 0, got {} and {}", c.fx, c.fy));
    if (!cameras.emplace(id, c).second) lines.fail(fmt::format("CAMERA_ID: {} occurs a second time", id));
  }
  return cameras;
}

std::vector<ColmapImage> read_colmap_images(const std::string& path) {
  std::vector<ColmapImage> images;
  std::set<int64_t> ids;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto id = lines.number<int64_t>("IMAGE_ID");
    if (!ids.insert(id).second) lines.fail(fmt::format("IMAGE_ID: {} occurs a second time", id));
    ColmapImage image;
    Quaternion q;
    q.w = lines.number<double>("QW");
    q.x = lines.number<double>("QX");
    q.y = lines.number<double>("QY");
    q.z = lines.number<double>("QZ");
    image.pose.rotation = normalized(q);
    if (!std::isfinite(image.pose.rotation.w)) lines.fail("QW QX QY QZ: expected a rotation, got 0 0 0 0");
    image.pose.translation[0] = lines.number<double>("TX");
    image.pose.translation[1] = lines.number<double>("TY");
    image.pose.translation[2] = lines.number<double>("TZ");
    image.camera = lines.number<int64_t>("CAMERA_ID");
    image.name = lines.remainder("NAME");
    // The line after belongs to it and may be empty.
    if (!lines.next())
      lines.fail(fmt::format("the file ends after {}: its line of POINTS2D is missing", image.name));
    while (!lines.at_end()) {
      lines.number<double>("X of POINTS2D");
      lines.number<double>("Y of POINTS2D");
      const auto point = lines.number<int64_t>("POINT3D_ID of POINTS2D");
      if (point >= 0) image.points.push_back(point);
    }
    images.push_back(std::move(image));
  }
  return images;
}

std::unordered_map<int64_t, Vec3> read_colmap_points(const std::string& path) {
  std::unordered_map<int64_t, Vec3> points;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto id = lines.number<int64_t>("POINT3D_ID");
    Vec3 at;
    at[0] = lines.number<double>("X");
    at[1] = lines.number<double>("Y");
    at[2] = lines.number<double>("Z");
    if (!points.emplace(id, at).second) lines.fail(fmt::format("POINT3D_ID: {} occurs a second time", id));
  }
  return points;
}

}  // namespace vqt
