#include "eval/ground_truth/eth3d.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "eval/ground_truth/colmap.h"
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

}  // namespace vqt
