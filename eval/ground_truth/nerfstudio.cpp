#include "eval/ground_truth/nerfstudio.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>

#include "eval/ground_truth/match_names.h"
#include "eval/ground_truth/written_digits.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string path_of(const std::string& folder) { return (fs::path(folder) / "transforms.json").string(); }

bool recognised(const std::string& folder) { return fs::is_regular_file(path_of(folder)); }

// Fields of an object in the file; errors say where it is ("frames[3]").
class Fields {
 public:
  Fields(const Json& json, std::string path, std::string place)
      : json_(json), path_(std::move(path)), place_(std::move(place)) {
    if (!json.is_object()) fail(fmt::format("expected an object, got {}", json.type_name()));
  }

  bool has(const char* name) const { return json_.contains(name); }
  const Json& at(const char* name) const {
    if (!has(name)) fail(fmt::format("{} is missing", name));
    return json_.at(name);
  }

  std::string text(const char* name) const {
    if (!at(name).is_string()) fail(fmt::format("{}: expected text, got {}", name, at(name).type_name()));
    return at(name).get<std::string>();
  }

  double number(const char* name) const { return number(at(name), name); }

  // Three rows of four, or four.
  cv::Matx44d matrix(const char* name) const {
    const Json& rows = at(name);
    cv::Matx44d m = cv::Matx44d::eye();
    if (!rows.is_array() || (rows.size() != 3 && rows.size() != 4))
      fail(fmt::format("{}: expected 3 or 4 rows of 4 numbers", name));
    for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
      if (!rows[r].is_array() || rows[r].size() != 4)
        fail(fmt::format("{}: expected rows of 4 numbers", name));
      for (int c = 0; c < 4; ++c) m(r, c) = number(rows[r][c], name);
    }
    return m;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}: {}{}{}", path_, place_, place_.empty() ? "" : ": ", what));
  }

 private:
  double number(const Json& value, const char* name) const {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      fail(fmt::format("{}: expected a number, got {}", name, value.dump()));
    return value.get<double>();
  }

  const Json& json_;
  std::string path_, place_;
};

Json read_json(const std::string& path) {
  std::ifstream file(path);
  try {
    return Json::parse(file);
  } catch (const Json::parse_error& e) {
    throw Error(fmt::format("{}: byte {}: expected JSON; the file may be cut short", path, e.byte));
  }
}

std::vector<Fields> frames_of(const Json& json, const std::string& path) {
  const Json& frames = Fields(json, path, "").at("frames");
  if (!frames.is_array() || frames.empty())
    throw Error(fmt::format("{}: frames: expected a list of images", path));
  std::vector<Fields> found;
  for (size_t i = 0; i < frames.size(); ++i)
    found.emplace_back(frames[i], path, fmt::format("frames[{}]", i));
  return found;
}

std::string images_of(const std::string& folder) {
  const std::string path = path_of(folder);
  const Json json = read_json(path);
  const fs::path first = fs::path(folder) / frames_of(json, path)[0].text("file_path");
  return first.parent_path().lexically_normal().string();
}

// A frame's own numbers go before those of the whole file. Width 0: the file does not say.
PinholeCamera camera_of(const Fields& all, const Fields& frame) {
  const auto with = [&](const char* name) -> const Fields* {
    return frame.has(name) ? &frame : all.has(name) ? &all : nullptr;
  };
  const auto number = [&](const char* name, double otherwise) {
    const Fields* fields = with(name);
    return fields ? fields->number(name) : otherwise;
  };
  PinholeCamera c;
  const double width = number("w", 0), height = number("h", 0);
  if (!(width >= 1 && height >= 1 && width < 1e6 && height < 1e6)) return {};
  c.width = std::lround(width);
  c.height = std::lround(height);
  const auto focal = [&](const char* length, const char* angle, double side, double otherwise) {
    if (with(length)) return number(length, 0);
    return with(angle) ? side / 2 / std::tan(number(angle, 0) / 2) : otherwise;
  };
  c.fx = focal("fl_x", "camera_angle_x", width, 0);
  c.fy = focal("fl_y", "camera_angle_y", height, c.fx);
  c.cx = number("cx", width / 2);
  c.cy = number("cy", height / 2);
  if (!(c.fx > 0 && c.fy > 0))
    frame.fail(fmt::format("fl_x, fl_y or camera_angle_x: expected more than 0, got {} and {}", c.fx, c.fy));
  return c;
}

bool distorted(const Fields& fields) {
  const auto wide = [](const std::string& model) {
    return model.find("FISHEYE") != std::string::npos || model.find("EQUIRECTANGULAR") != std::string::npos;
  };
  if (fields.has("camera_model") && wide(fields.text("camera_model"))) return true;
  for (const char* name : {"k1", "k2", "k3", "k4", "p1", "p2"}) {
    if (fields.has(name) && fields.number(name) != 0) return true;
  }
  return false;
}

// What nerfstudio did to the world is undone: the poses are those of the program that made them.
cv::Matx44d to_original_world(const Fields& all) {
  cv::Matx44d applied = all.has("applied_transform") ? all.matrix("applied_transform") : cv::Matx44d::eye();
  if (std::abs(cv::determinant(applied)) < 1e-9)
    all.fail("applied_transform: expected one that can be undone");
  return applied.inv();
}

SceneTruth read(const std::string& folder, const std::vector<std::string>& names) {
  const std::string path = path_of(folder);
  const Json json = read_json(path);
  const Fields all(json, path, "");
  const std::vector<Fields> frames = frames_of(json, path);
  const cv::Matx44d original = to_original_world(all);
  const double scale = all.has("applied_scale") ? all.number("applied_scale") : 1;
  if (!(scale > 0)) all.fail("applied_scale: expected more than 0");
  std::vector<std::string> known, bent;
  WrittenDigits digits;
  for (const Fields& frame : frames) {
    known.push_back(frame.text("file_path"));
    const cv::Matx44d m = frame.matrix("transform_matrix");
    digits.add({m(0, 3), m(1, 3), m(2, 3)});
  }
  SceneTruth truth;
  truth.folder = folder;
  for (const int64_t found : match_names(names, known, path, truth.notes)) {
    PictureTruth& picture = truth.pictures.emplace_back();
    if (found < 0) continue;
    const Fields& frame = frames[found];
    cv::Matx44d m = frame.matrix("transform_matrix");
    picture.centre_error = digits.error({m(0, 3), m(1, 3), m(2, 3)}) / scale;
    for (int r = 0; r < 3; ++r) m(r, 3) /= scale;
    m = original * m;
    CameraToWorld camera;
    for (int r = 0; r < 3; ++r) camera[r] = {m(r, 0), -m(r, 1), -m(r, 2), m(r, 3)};  // y down, z forward
    const auto pose = pose_of_camera(camera);
    if (!pose) frame.fail("transform_matrix: expected a rotation and a place, camera to world");
    picture.known = true;
    picture.pose = *pose;
    picture.camera = camera_of(all, frame);
    if (distorted(all) || distorted(frame)) bent.push_back(known[found]);
  }
  if (!bent.empty()) {
    truth.notes.push_back(left_out(
        bent, names.size(), "have lens distortion, which models do not expect; their poses are scored"));
  }
  truth.notes.push_back("ground truth: only poses are read from transforms.json; depth is not scored");
  return truth;
}

}  // namespace

const SceneLayout kNerfstudioLayout = {
    "nerfstudio", "transforms.json, with the images that it names (poses alone)", recognised, "", images_of,
    read};

}  // namespace vqt
