#include "eval/ground_truth/seven_scenes.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "eval/ground_truth/match_names.h"
#include "eval/ground_truth/text_lines.h"
#include "eval/ground_truth/written_digits.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr PinholeCamera kCamera = {640, 480, 585, 585, 320, 240};
constexpr double kMetres = 0.001;  // in a unit of the depth files

const char* const kImage = ".color.png";
const char* const kPose = ".pose.txt";

// frame-000000 of the files whose names end so, sorted.
std::vector<std::string> frames_with(const std::string& folder, const std::string& ending) {
  std::vector<std::string> frames;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("frame-", 0) != 0 || name.size() <= ending.size()) continue;
    if (name.compare(name.size() - ending.size(), std::string::npos, ending) == 0)
      frames.push_back(name.substr(0, name.size() - ending.size()));
  }
  std::sort(frames.begin(), frames.end());
  return frames;
}

bool recognised(const std::string& folder) { return !frames_with(folder, kPose).empty(); }

std::string images_of(const std::string& folder) { return folder; }

// NaN and Inf, where tracking was lost, are no error of the file.
CameraToWorld read_matrix(const std::string& path) {
  CameraToWorld matrix;
  TextLines lines(path);
  for (auto& row : matrix) {
    if (!lines.next_record()) lines.fail("expected 4 lines of 4 numbers, the file ends");
    for (double& value : row) value = lines.number<double>("a number of the 4 x 4 pose", Finite::kNotNeeded);
  }
  return matrix;
}

SceneTruth read(const std::string& folder, const std::vector<std::string>& names) {
  SceneTruth truth;
  truth.folder = folder;
  const std::vector<std::string> frames = frames_with(folder, kPose);
  std::vector<std::string> images, lost, without_depth;
  for (const std::string& frame : frames) images.push_back(frame + kImage);
  WrittenDigits digits;
  size_t known = 0;
  for (const int64_t found : match_names(names, images, folder, truth.notes)) {
    PictureTruth& picture = truth.pictures.emplace_back();
    if (found < 0) continue;
    const fs::path frame = fs::path(folder) / frames[found];
    const CameraToWorld camera = read_matrix(frame.string() + kPose);
    const auto pose = pose_of_camera(camera);
    if (!pose) {
      lost.push_back(frame.string() + kPose);
      continue;
    }
    ++known;
    picture.known = true;
    picture.camera = kCamera;
    picture.pose = *pose;
    for (const auto& row : camera) digits.add(row[3]);
    const std::string depth = frame.string() + ".depth.png";
    if (fs::is_regular_file(depth)) {
      picture.depth = {depth, DepthFile::Format::kPng16, kMetres};
      truth.depth_source = folder;
    } else {
      without_depth.push_back(images[found]);
    }
  }
  for (PictureTruth& picture : truth.pictures) {
    if (picture.known) picture.centre_error = digits.error(to_world(picture.pose, {0, 0, 0}));
  }
  if (!lost.empty())
    truth.notes.push_back(
        left_out(lost, names.size(), "have a pose that is not a rotation and a place; they are not scored"));
  if (!without_depth.empty())
    truth.notes.push_back(left_out(without_depth, known, "have no depth file; their depth is not scored"));
  truth.notes.push_back(
      "ground truth: 7-Scenes gives no calibration; taken are a focal length of 585 pixels and the middle of "
      "640 x 480, and colour and depth as one camera");
  return truth;
}

}  // namespace

const SceneLayout kSevenScenesLayout = {
    "7-Scenes", "frame-NNNNNN.color.png and frame-NNNNNN.pose.txt; for depth frame-NNNNNN.depth.png",
    recognised, kImage,
    images_of,  read};

}  // namespace vqt
