#include "eval/ground_truth/colmap_text.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "eval/ground_truth/text_lines.h"

namespace vqt {

ColmapCameras read_text_cameras(const std::string& path) {
  ColmapCameras cameras;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto id = lines.number<int64_t>("CAMERA_ID");
    const std::string name = lines.word("MODEL");
    const ColmapCameraModel* model = find_colmap_model(name);
    if (!model) {
      lines.fail(
          fmt::format("MODEL: expected one of COLMAP's camera models, such as PINHOLE or "
                      "SIMPLE_PINHOLE, got {}",
                      name));
    }
    const auto width = lines.number<int64_t>("WIDTH"), height = lines.number<int64_t>("HEIGHT");
    const std::vector<const char*> names = model->focal_lengths == 1
                                               ? std::vector<const char*>{"f", "cx", "cy"}
                                               : std::vector<const char*>{"fx", "fy", "cx", "cy"};
    std::vector<double> parameters;
    for (size_t i = 0; !lines.at_end(); ++i)
      parameters.push_back(lines.number<double>(i < names.size() ? names[i] : "a coefficient"));
    try {
      if (!cameras.emplace(id, colmap_camera(*model, width, height, parameters)).second)
        throw Error(fmt::format("CAMERA_ID: {} occurs a second time", id));
    } catch (const Error& e) {
      lines.fail(e.what());
    }
  }
  return cameras;
}

std::vector<ColmapImage> read_text_images(const std::string& path) {
  std::vector<ColmapImage> images;
  std::set<int64_t> ids;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto id = lines.number<int64_t>("IMAGE_ID");
    if (!ids.insert(id).second) lines.fail(fmt::format("IMAGE_ID: {} occurs a second time", id));
    ColmapImage image;
    Quaternion& q = image.pose.rotation;
    q.w = lines.number<double>("QW");
    q.x = lines.number<double>("QX");
    q.y = lines.number<double>("QY");
    q.z = lines.number<double>("QZ");
    if (!std::isfinite(normalized(q).w)) lines.fail("QW QX QY QZ: expected a rotation, got 0 0 0 0");
    image.pose.translation[0] = lines.number<double>("TX");
    image.pose.translation[1] = lines.number<double>("TY");
    image.pose.translation[2] = lines.number<double>("TZ");
    image.camera = lines.number<int64_t>("CAMERA_ID");
    image.name = lines.remainder("NAME");
    // The line after belongs to it and may be empty.
    if (!lines.next())
      lines.fail(fmt::format("the file ends after {}: its line of POINTS2D is missing", image.name));
    while (!lines.at_end()) {
      lines.number<double>("X of POINTS2D, the second line of an image, which may be empty");
      lines.number<double>("Y of POINTS2D");
      const auto point = lines.number<int64_t>("POINT3D_ID of POINTS2D");
      if (point >= 0) image.points.push_back(point);
    }
    images.push_back(std::move(image));
  }
  return images;
}

ColmapPoints read_text_points(const std::string& path) {
  ColmapPoints points;
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
