#include "eval/ground_truth/colmap_scene.h"

#include <fmt/format.h>

#include <filesystem>

#include "eval/ground_truth/match_names.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

std::optional<ColmapFiles> files_of(const std::string& folder) {
  for (const char* inside : {"sparse/0", "sparse", "."}) {
    if (auto files = colmap_files((fs::path(folder) / inside).lexically_normal().string())) return files;
  }
  return {};
}

bool recognised(const std::string& folder) { return files_of(folder).has_value(); }

// Where the folder itself holds the model (scene/sparse/0), the images are above it.
std::string images_of(const std::string& folder) {
  std::error_code error;
  const fs::path whole = fs::canonical(folder, error);
  for (const fs::path& scene : {whole, whole.parent_path(), whole.parent_path().parent_path()}) {
    if (fs::is_directory(scene / "images")) return (scene / "images").string();
  }
  throw Error(
      fmt::format("{}: no folder images in it; say where the images are with --image-folder", folder));
}

SceneTruth read(const std::string& folder, const std::vector<std::string>& names) {
  const ColmapFiles files = *files_of(folder);
  ColmapPoses poses = read_colmap_poses(files, folder, names);
  add_colmap_points(files, poses.images, poses.truth);
  return std::move(poses.truth);
}

}  // namespace

const SceneLayout kColmapLayout = {
    "COLMAP",
    "cameras and images (.bin or .txt) in sparse/0/, sparse/ or the folder itself; images/; for depth points3D",
    recognised,
    "",
    images_of,
    read};

ColmapPoses read_colmap_poses(const ColmapFiles& files, const std::string& folder,
                              const std::vector<std::string>& names) {
  const ColmapCameras cameras = read_colmap_cameras(files.cameras);
  const std::vector<ColmapImage> images = read_colmap_images(files.images);
  std::vector<std::string> known, without_camera;
  for (const ColmapImage& image : images) known.push_back(image.name);

  ColmapPoses poses;
  SceneTruth& truth = poses.truth;
  truth.folder = folder;
  for (const int64_t found : match_names(names, known, files.images, truth.notes)) {
    PictureTruth& picture = truth.pictures.emplace_back();
    const ColmapImage& image =
        found < 0 ? poses.images.emplace_back() : poses.images.emplace_back(images[found]);
    if (found < 0) continue;
    picture.known = true;
    picture.pose = image.pose;
    picture.centre_error = image.centre_error;
    if (const auto camera = cameras.find(image.camera); camera != cameras.end()) {
      picture.camera = camera->second;
    } else {
      without_camera.push_back(fmt::format("{} (camera {})", image.name, image.camera));
    }
  }
  if (!without_camera.empty()) {
    const std::string file = fs::path(files.cameras).filename().string();
    truth.notes.push_back(left_out(
        without_camera, names.size(),
        fmt::format("have a camera that is not in {}; their poses are scored, not their depth", file)));
  }
  return poses;
}

void add_colmap_points(const ColmapFiles& files, const std::vector<ColmapImage>& images, SceneTruth& truth) {
  if (files.points.empty()) {
    truth.notes.push_back("ground truth: neither depth files nor points3D; only poses are scored");
    return;
  }
  const ColmapPoints points = read_colmap_points(files.points);
  size_t all = 0, missing = 0;
  std::string first;
  for (size_t i = 0; i < images.size(); ++i) {
    for (const int64_t id : images[i].points) {
      ++all;
      if (const auto found = points.find(id); found != points.end()) {
        truth.pictures[i].points.push_back(found->second);
      } else if (missing++ == 0) {
        first = fmt::format("{}, which {} shows", id, images[i].name);
      }
    }
  }
  truth.depth_source = files.points;
  if (missing > 0) {
    truth.notes.push_back(fmt::format(
        "ground truth: {} of the {} points that images show are not in {} (the first is {}), which "
        "may be cut short; the others are scored",
        missing, all, files.points, first));
  }
}

}  // namespace vqt
