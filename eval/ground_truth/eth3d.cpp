#include "eval/ground_truth/eth3d.h"

#include <fmt/format.h>

#include <filesystem>

#include "eval/ground_truth/colmap_scene.h"
#include "eval/ground_truth/match_names.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

const char* const kCalibration = "dslr_calibration_undistorted";

std::optional<ColmapFiles> files_of(const std::string& folder) {
  return colmap_files((fs::path(folder) / kCalibration).string());
}

bool recognised(const std::string& folder) { return files_of(folder).has_value(); }

std::string images_of(const std::string& folder) {
  return (fs::path(folder) / "images/dslr_images_undistorted").string();
}

int64_t depth_bytes(const PinholeCamera& c) {
  return c.width * c.height * static_cast<int64_t>(sizeof(float));
}

// Sets the depth file of an image. The reason where there is a file of another size: those of the original
// images, dslr_images, are of use only where undistortion has kept the size.
std::string set_depth_file(const std::string& folder, const std::string& image, PictureTruth& picture) {
  std::string reason;
  for (const char* kind : {"dslr_images_undistorted", "dslr_images"}) {
    const fs::path path = fs::path(folder) / "ground_truth_depth" / kind / fs::path(image).filename();
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    if (error) continue;
    if (static_cast<int64_t>(bytes) == depth_bytes(picture.camera)) {
      picture.depth = {path.string(), DepthFile::Format::kFloat32, 1};
      return {};
    }
    if (reason.empty()) {
      reason = fmt::format("{}: expected {} bytes, {} x {} float32 as its camera has pixels, got {}",
                           path.string(), depth_bytes(picture.camera), picture.camera.width,
                           picture.camera.height, bytes);
    }
  }
  return reason;
}

SceneTruth read(const std::string& folder, const std::vector<std::string>& names) {
  const ColmapFiles files = *files_of(folder);
  ColmapPoses poses = read_colmap_poses(files, folder, names);
  SceneTruth& truth = poses.truth;
  std::vector<std::string> without, other_size;
  size_t known = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    PictureTruth& picture = truth.pictures[i];
    if (!picture.known || picture.camera.width == 0) continue;
    ++known;
    if (std::string reason = set_depth_file(folder, poses.images[i].name, picture); !reason.empty()) {
      other_size.push_back(std::move(reason));
    } else if (picture.depth.path.empty()) {
      without.push_back(names[i]);
    } else if (truth.depth_source.empty()) {
      truth.depth_source = fs::path(picture.depth.path).parent_path().string();
    }
  }
  if (!other_size.empty())
    truth.notes.push_back(
        left_out(other_size, known, "have a depth file of another size, which is not used"));
  if (truth.depth_source.empty()) {
    add_colmap_points(files, poses.images, truth);
  } else if (!without.empty()) {
    truth.notes.push_back(left_out(without, known, "have no depth file; their depth is not scored"));
  }
  return std::move(truth);
}

}  // namespace

const SceneLayout kEth3dLayout = {
    "ETH3D",
    "cameras and images (.txt or .bin) in dslr_calibration_undistorted/; images/dslr_images_undistorted/; for "
    "depth ground_truth_depth/ or points3D",
    recognised,
    "",
    images_of,
    read};

}  // namespace vqt
