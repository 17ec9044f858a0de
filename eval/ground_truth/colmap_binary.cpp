#include "eval/ground_truth/colmap_binary.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <set>

#include "loader/archive/file.h"
#include "vqt/error.h"

namespace vqt {
namespace {

// Numbers of a file in memory, one after the other. Every length in it is compared with what is left.
class ByteReader {
 public:
  explicit ByteReader(const std::string& path) : path_(path) {
    const InputFile file(path);
    bytes_ = file.read(0, file.size());
  }

  template <class Number>
  Number number(const char* what) {
    Number value;
    need(sizeof value, what);
    std::memcpy(&value, &bytes_[at_], sizeof value);
    at_ += sizeof value;
    if constexpr (std::is_floating_point_v<Number>) {
      if (!std::isfinite(value))
        fail(at_ - sizeof value, fmt::format("{}: expected a finite number, got {}", what, value));
    }
    return value;
  }

  // How many records of at least `each` bytes follow.
  uint64_t count(const char* what, uint64_t each) {
    const uint64_t start = at_;
    const auto found = number<uint64_t>(what);
    if (found > (bytes_.size() - at_) / each) {
      fail(start, fmt::format("{} {} need {} bytes each, the file has {} more; it is probably cut short",
                              found, what, each, bytes_.size() - at_));
    }
    return found;
  }

  std::string text(const char* what) {
    const auto* first = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const size_t length = strnlen(first, bytes_.size() - at_);
    if (length == bytes_.size() - at_)
      fail(at_, fmt::format("{}: the file ends before the 0 after it", what));
    at_ += length + 1;
    return std::string(first, length);
  }

  void skip(uint64_t bytes, const char* what) {
    need(bytes, what);
    at_ += bytes;
  }

  void expect_end() const {
    if (at_ < bytes_.size())
      fail(at_, fmt::format("expected the end of the file, got {} more bytes", bytes_.size() - at_));
  }

  uint64_t position() const { return at_; }

  [[noreturn]] void fail(uint64_t at, const std::string& what) const {
    throw Error(fmt::format("{}: byte {}: {}", path_, at, what));
  }

 private:
  void need(uint64_t bytes, const char* what) const {
    if (bytes > bytes_.size() - at_)
      fail(at_,
           fmt::format("{}: the file ends after {} bytes; it is probably cut short", what, bytes_.size()));
  }

  std::string path_;
  std::vector<uint8_t> bytes_;
  uint64_t at_ = 0;
};

}  // namespace

ColmapCameras read_binary_cameras(const std::string& path) {
  ColmapCameras cameras;
  ByteReader in(path);
  for (uint64_t left = in.count("cameras", 4 + 4 + 8 + 8 + 3 * 8); left > 0; --left) {
    const uint64_t start = in.position();
    const auto id = in.number<uint32_t>("CAMERA_ID");
    const auto model_id = in.number<int32_t>("MODEL_ID");
    const ColmapCameraModel* model = find_colmap_model(model_id);
    if (!model) {
      in.fail(start + 4, fmt::format("MODEL_ID: expected one of COLMAP's camera models, such as 0 "
                                     "(SIMPLE_PINHOLE) or 1 (PINHOLE), got {}",
                                     model_id));
    }
    const auto width = static_cast<int64_t>(in.number<uint64_t>("WIDTH"));
    const auto height = static_cast<int64_t>(in.number<uint64_t>("HEIGHT"));
    std::vector<double> parameters(model->focal_lengths + 2 + model->coefficients);
    for (double& p : parameters) p = in.number<double>("PARAMS");
    try {
      if (!cameras.emplace(id, colmap_camera(*model, width, height, parameters)).second)
        throw Error(fmt::format("CAMERA_ID: {} occurs a second time", id));
    } catch (const Error& e) {
      in.fail(start, e.what());
    }
  }
  in.expect_end();
  return cameras;
}

std::vector<ColmapImage> read_binary_images(const std::string& path) {
  std::vector<ColmapImage> images;
  std::set<int64_t> ids;
  ByteReader in(path);
  for (uint64_t left = in.count("images", 4 + 7 * 8 + 4 + 1 + 8); left > 0; --left) {
    const uint64_t start = in.position();
    const auto id = in.number<uint32_t>("IMAGE_ID");
    if (!ids.insert(id).second) in.fail(start, fmt::format("IMAGE_ID: {} occurs a second time", id));
    ColmapImage image;
    Quaternion& q = image.pose.rotation;
    for (double* part : {&q.w, &q.x, &q.y, &q.z}) *part = in.number<double>("QW QX QY QZ");
    if (!std::isfinite(normalized(q).w))
      in.fail(start + 4, "QW QX QY QZ: expected a rotation, got four numbers of no length");
    for (double& part : image.pose.translation) part = in.number<double>("TX TY TZ");
    image.camera = in.number<uint32_t>("CAMERA_ID");
    image.name = in.text("NAME");
    for (uint64_t points = in.count("POINTS2D", 3 * 8); points > 0; --points) {
      in.skip(2 * 8, "X Y of POINTS2D");
      const auto point = static_cast<int64_t>(in.number<uint64_t>("POINT3D_ID of POINTS2D"));
      if (point >= 0) image.points.push_back(point);  // -1: of none
    }
    images.push_back(std::move(image));
  }
  in.expect_end();
  return images;
}

ColmapPoints read_binary_points(const std::string& path) {
  ColmapPoints points;
  ByteReader in(path);
  for (uint64_t left = in.count("points", 8 + 3 * 8 + 3 + 8 + 8); left > 0; --left) {
    const uint64_t start = in.position();
    const auto id = static_cast<int64_t>(in.number<uint64_t>("POINT3D_ID"));
    Vec3 at;
    for (double& v : at) v = in.number<double>("X Y Z");
    if (!points.emplace(id, at).second)
      in.fail(start, fmt::format("POINT3D_ID: {} occurs a second time", id));
    in.skip(3 + 8, "R G B ERROR");
    in.skip(8 * in.count("TRACK", 8), "TRACK");
  }
  in.expect_end();
  return points;
}

}  // namespace vqt
