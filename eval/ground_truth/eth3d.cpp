#include "eval/ground_truth/eth3d.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "vqt/error.h"

namespace vqt {

const char* const kEth3dPictures = "images/dslr_images_undistorted";

namespace {
namespace fs = std::filesystem;

const char* const kCalibration = "dslr_calibration_undistorted";

// Index of names -> image; two images under one name are only an error when that name is asked for.
class ByName {
 public:
  ByName(const std::vector<ColmapImage>& images, std::string path) : images_(images), path_(std::move(path)) {
    for (const ColmapImage& image : images) {
      const fs::path name = image.name;
      full_[name.filename().string()].push_back(&image);
      stem_[name.stem().string()].push_back(&image);
    }
  }

  const ColmapImage* find(const std::string& name) const {
    if (const auto found = full_.find(name); found != full_.end()) return only(found->second, name);
    const auto found = stem_.find(fs::path(name).stem().string());
    return found == stem_.end() ? nullptr : only(found->second, name);
  }

  std::string some_names() const {
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(3, images_.size()); ++i)
      text += (i > 0 ? ", " : "") + images_[i].name;
    return images_.size() > 3 ? text + ", ..." : text;
  }

 private:
  const ColmapImage* only(const std::vector<const ColmapImage*>& found, const std::string& name) const {
    if (found.size() > 1) {
      throw Error(fmt::format("{}: {} could be {} or {}; images are matched by file name", path_, name,
                              found[0]->name, found[1]->name));
    }
    return found[0];
  }

  const std::vector<ColmapImage>& images_;
  std::string path_;
  std::map<std::string, std::vector<const ColmapImage*>> full_, stem_;
};

int64_t depth_bytes(const PinholeCamera& c) {
  return c.width * c.height * static_cast<int64_t>(sizeof(float));
}

// The depth file of an image, or empty. Files of the undistorted images have to have the camera's size;
// those of the original images are used only if they have it.
std::string depth_file(const std::string& folder, const std::string& image, const PinholeCamera& camera) {
  const std::string name = fs::path(image).filename().string();
  for (const char* kind : {"dslr_images_undistorted", "dslr_images"}) {
    const fs::path path = fs::path(folder) / "ground_truth_depth" / kind / name;
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    if (error) continue;
    if (static_cast<int64_t>(bytes) == depth_bytes(camera)) return path.string();
    if (std::string(kind) == "dslr_images_undistorted") {
      throw Error(fmt::format("{}: expected {} bytes, {} x {} float32 as its camera has pixels, got {}",
                              path.string(), depth_bytes(camera), camera.width, camera.height, bytes));
    }
  }
  return {};
}

// Points of the images that are used, looked up by their ids.
void add_points(const std::string& path, const std::vector<const ColmapImage*>& images, SceneTruth& truth) {
  const auto points = read_colmap_points(path);
  for (size_t i = 0; i < images.size(); ++i) {
    if (!images[i]) continue;
    for (const int64_t id : images[i]->points) {
      const auto found = points.find(id);
      if (found == points.end()) {
        throw Error(fmt::format("{}: no point {}, which {} shows; the file is probably cut short", path, id,
                                images[i]->name));
      }
      truth.pictures[i].points.push_back(found->second);
    }
  }
}

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

SceneTruth read_eth3d(const std::string& folder, const std::vector<std::string>& names) {
  const fs::path calibration = fs::path(folder) / kCalibration;
  if (!fs::is_directory(calibration)) {
    throw Error(fmt::format(
        "{}: {}", folder,
        fs::is_directory(folder)
            ? fmt::format("no folder {} in it; expected a scene as ETH3D lays it out", kCalibration)
            : "no such folder"));
  }
  const std::string images_path = calibration / "images.txt", points_path = calibration / "points3D.txt";
  const auto cameras = read_colmap_cameras(calibration / "cameras.txt");
  const std::vector<ColmapImage> images = read_colmap_images(images_path);
  const ByName by_name(images, images_path);

  SceneTruth truth{folder, {}, "", {}};
  std::vector<const ColmapImage*> used;
  std::vector<std::string> unknown;
  size_t with_file = 0, known = 0;
  for (const std::string& name : names) {
    used.push_back(by_name.find(name));
    PictureTruth& picture = truth.pictures.emplace_back();
    if (!used.back()) {
      unknown.push_back(name);
      continue;
    }
    const ColmapImage& image = *used.back();
    const auto camera = cameras.find(image.camera);
    if (camera == cameras.end()) {
      throw Error(
          fmt::format("{}: {}: camera {} is not in cameras.txt", images_path, image.name, image.camera));
    }
    picture.known = true;
    picture.camera = camera->second;
    picture.pose = image.pose;
    picture.depth_file = depth_file(folder, image.name, picture.camera);
    ++known;
    with_file += !picture.depth_file.empty();
    if (truth.depth_source.empty() && !picture.depth_file.empty())
      truth.depth_source = fs::path(picture.depth_file).parent_path().string();
  }
  if (known == 0) {
    throw Error(fmt::format("{}: none of the {} images is in it (the first is {}); it has {}", images_path,
                            names.size(), names.empty() ? "-" : names[0], by_name.some_names()));
  }
  if (!unknown.empty()) {
    truth.notes.push_back(
        fmt::format("ground truth: {} of {} images are not in images.txt and not scored: {}{}",
                    unknown.size(), names.size(), unknown[0], unknown.size() > 1 ? ", ..." : ""));
  }
  if (with_file == 0 && fs::exists(points_path)) {
    add_points(points_path, used, truth);
    truth.depth_source = points_path;
  } else if (with_file == 0) {
    truth.notes.push_back("ground truth: neither depth files nor points3D.txt; only poses are scored");
  } else if (with_file < known) {
    truth.notes.push_back(
        fmt::format("ground truth: {} of {} images have no depth file; their depth is not scored",
                    known - with_file, known));
  }
  return truth;
}

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
