#include "eval/ground_truth/tum.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "eval/ground_truth/match_names.h"
#include "eval/ground_truth/text_lines.h"
#include "eval/ground_truth/written_digits.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr double kNear = 0.02;  // seconds
constexpr double kMetres = 1.0 / 5000;

// Of the data set's page on file formats, whose pixels have their centres at whole numbers: here the centre of
// the first is at 0.5. Lens distortion (freiburg1, freiburg2) is not applied: the page advises against it for
// the depth maps, which are registered with the default camera.
struct Calibration {
  const char *name, *short_name;
  PinholeCamera camera;
};
constexpr Calibration kCalibrations[] = {
    {"freiburg1", "fr1", {640, 480, 517.3, 516.5, 318.6 + 0.5, 255.3 + 0.5}},
    {"freiburg2", "fr2", {640, 480, 520.9, 521.0, 325.1 + 0.5, 249.7 + 0.5}},
    {"freiburg3", "fr3", {640, 480, 535.4, 539.2, 320.1 + 0.5, 247.6 + 0.5}},
};
constexpr Calibration kDefault = {"default", "", {640, 480, 525, 525, 319.5 + 0.5, 239.5 + 0.5}};

// By the name of the folder, such as rgbd_dataset_freiburg1_desk or fr1_desk.
const Calibration& calibration_of(const std::string& folder) {
  std::error_code error;
  const std::string name = fs::canonical(folder, error).filename().string();
  for (const Calibration& c : kCalibrations) {
    if (name.find(c.name) != std::string::npos || name.rfind(c.short_name, 0) == 0) return c;
  }
  return kDefault;
}

template <class Value>
struct At {
  double time;
  Value value;
};
template <class Value>
using Timeline = std::vector<At<Value>>;  // sorted by time

template <class Read>
auto read_timeline(const std::string& path, Read read) {
  Timeline<decltype(read(std::declval<TextLines&>()))> all;
  TextLines lines(path);
  while (lines.next_record()) {
    const auto time = lines.number<double>("timestamp");
    all.push_back({time, read(lines)});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  return all;
}

struct CameraPlace {
  Quaternion rotation;  // camera to world
  Vec3 centre;
};

std::string read_path(TextLines& lines) { return lines.remainder("the file's name"); }

CameraPlace read_place(TextLines& lines) {
  CameraPlace place;
  for (double& value : place.centre) value = lines.number<double>("tx ty tz");
  Quaternion& q = place.rotation;
  for (double* part : {&q.x, &q.y, &q.z, &q.w}) *part = lines.number<double>("qx qy qz qw");
  if (!std::isfinite(normalized(q).w)) lines.fail("qx qy qz qw: expected a rotation, got 0 0 0 0");
  q = normalized(q);
  return place;
}

// The nearest in time, null where there is none within kNear.
template <class Value>
const Value* nearest(const Timeline<Value>& all, double time) {
  auto after = std::lower_bound(all.begin(), all.end(), time,
                                [](const At<Value>& a, double wanted) { return a.time < wanted; });
  if (after == all.end() || (after != all.begin() && time - (after - 1)->time <= after->time - time)) {
    if (after == all.begin()) return nullptr;
    --after;
  }
  return std::abs(after->time - time) <= kNear ? &after->value : nullptr;
}

std::string in(const std::string& folder, const std::string& name) {
  return (fs::path(folder) / name).string();
}

bool recognised(const std::string& folder) {
  return fs::is_regular_file(in(folder, "rgb.txt")) && fs::is_regular_file(in(folder, "groundtruth.txt"));
}

std::string images_of(const std::string& folder) {
  TextLines lines(in(folder, "rgb.txt"));
  if (!lines.next_record()) lines.fail("expected lines of a timestamp and an image, got none");
  lines.number<double>("timestamp");
  return (fs::path(folder) / read_path(lines)).parent_path().string();
}

SceneTruth read(const std::string& folder, const std::vector<std::string>& names) {
  SceneTruth truth;
  truth.folder = folder;
  const Calibration& calibration = calibration_of(folder);
  const Timeline<std::string> images = read_timeline(in(folder, "rgb.txt"), read_path);
  const Timeline<CameraPlace> places = read_timeline(in(folder, "groundtruth.txt"), read_place);
  Timeline<std::string> depths;
  if (fs::is_regular_file(in(folder, "depth.txt")))
    depths = read_timeline(in(folder, "depth.txt"), read_path);
  WrittenDigits digits;
  for (const auto& place : places) digits.add(place.value.centre);
  std::vector<std::string> known, without_pose, without_depth;
  for (const auto& image : images) known.push_back(image.value);
  for (const int64_t found : match_names(names, known, in(folder, "rgb.txt"), truth.notes)) {
    PictureTruth& picture = truth.pictures.emplace_back();
    if (found < 0) continue;
    const double time = images[found].time;
    const CameraPlace* place = nearest(places, time);
    if (!place) {
      without_pose.push_back(known[found]);
      continue;
    }
    picture.known = true;
    picture.camera = calibration.camera;
    picture.pose = pose_of_camera(place->rotation, place->centre);
    picture.centre_error = digits.error(place->centre);
    if (const std::string* depth = nearest(depths, time)) {
      picture.depth = {in(folder, *depth), DepthFile::Format::kPng16, kMetres};
      truth.depth_source = fs::path(picture.depth.path).parent_path().string();
    } else {
      without_depth.push_back(known[found]);
    }
  }
  const std::string none = fmt::format("within {} s", kNear);
  if (!without_pose.empty()) {
    truth.notes.push_back(
        left_out(without_pose, names.size(),
                 fmt::format("have no pose in groundtruth.txt {}; they are not scored", none)));
  }
  if (!without_depth.empty()) {
    truth.notes.push_back(left_out(without_depth, names.size(),
                                   fmt::format("have no depth in depth.txt {}; it is not scored", none)));
  }
  const PinholeCamera& c = calibration.camera;
  truth.notes.push_back(fmt::format(
      "ground truth: calibration {}, by the folder's name: focal lengths {} and {}, no distortion",
      calibration.name, c.fx, c.fy));
  return truth;
}

}  // namespace

const SceneLayout kTumLayout = {
    "TUM",      "rgb.txt and groundtruth.txt, with the images that rgb.txt names; for depth depth.txt",
    recognised, "",
    images_of,  read};

}  // namespace vqt
