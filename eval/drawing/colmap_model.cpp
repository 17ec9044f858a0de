#include "eval/drawing/colmap_model.h"

#include <fmt/format.h>

#include <iterator>

#include "eval/drawing/point_cloud.h"

namespace vqt {
namespace {

constexpr int32_t kPinhole = 1;       // COLMAP's number of the model
constexpr double kUnknownError = -1;  // of a point's reprojection, as COLMAP has it

template <class... Numbers>
void put(std::string& to, Numbers... numbers) {
  const auto one = [&](auto number) { to.append(reinterpret_cast<const char*>(&number), sizeof number); };
  (one(numbers), ...);
}

template <class... Values>
void print(std::string& to, fmt::format_string<Values...> format, Values&&... values) {
  fmt::format_to(std::back_inserter(to), format, std::forward<Values>(values)...);
}

// What is written: which points, and which of them each image shows.
struct Chosen {
  std::vector<size_t> points;             // a point's number in the files is its place here from 1
  std::vector<std::vector<size_t>> seen;  // places in `points`, for each image
};

Chosen chosen_points(const CloudFigure& figure, const CloudFigure::Cloud& cloud, int64_t most) {
  std::vector<size_t> finite;
  for (size_t i = 0; i < figure.pixels.size(); ++i) {
    if (finite_point(&cloud.points[3 * i])) finite.push_back(i);
  }
  const size_t count = std::min(finite.size(), static_cast<size_t>(most));
  Chosen chosen;
  chosen.seen.resize(cloud.cameras.size());
  for (size_t k = 0; k < count; ++k) {
    const size_t i = finite[k * finite.size() / count];
    const int32_t image = figure.pixels[i].image;
    if (cloud.cameras[image].known) chosen.seen[image].push_back(chosen.points.size());
    chosen.points.push_back(i);
  }
  return chosen;
}

uint64_t known_cameras(const CloudFigure::Cloud& cloud) {
  uint64_t count = 0;
  for (const SceneCamera& c : cloud.cameras) count += c.known;
  return count;
}

struct Files {
  std::string text, binary;
};

Files cameras_of(const CloudFigure::Cloud& cloud) {
  Files files{"# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n", ""};
  put(files.binary, known_cameras(cloud));
  for (size_t i = 0; i < cloud.cameras.size(); ++i) {
    if (!cloud.cameras[i].known) continue;
    const PinholeCamera& c = cloud.cameras[i].camera;
    print(files.text, "{} PINHOLE {} {} {} {} {} {}\n", i + 1, c.width, c.height, c.fx, c.fy, c.cx, c.cy);
    put(files.binary, static_cast<uint32_t>(i + 1), kPinhole, static_cast<uint64_t>(c.width),
        static_cast<uint64_t>(c.height), c.fx, c.fy, c.cx, c.cy);
  }
  return files;
}

Files images_of(const CloudFigure& figure, const CloudFigure::Cloud& cloud, const Chosen& chosen) {
  Files files{
      "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n# then a line of POINTS2D[] as X, Y, "
      "POINT3D_ID\n",
      ""};
  put(files.binary, known_cameras(cloud));
  for (size_t i = 0; i < cloud.cameras.size(); ++i) {
    if (!cloud.cameras[i].known) continue;
    const Quaternion& q = cloud.cameras[i].pose.rotation;
    const Vec3& t = cloud.cameras[i].pose.translation;
    const auto id = static_cast<uint32_t>(i + 1);
    print(files.text, "{} {} {} {} {} {} {} {} {} {}\n", id, q.w, q.x, q.y, q.z, t[0], t[1], t[2], id,
          figure.images[i]);
    put(files.binary, id, q.w, q.x, q.y, q.z, t[0], t[1], t[2], id);
    files.binary.append(figure.images[i].c_str(), figure.images[i].size() + 1);
    put(files.binary, static_cast<uint64_t>(chosen.seen[i].size()));
    for (const size_t k : chosen.seen[i]) {
      const ScenePixel& at = figure.pixels[chosen.points[k]];
      print(files.text, "{}{} {} {}", k == chosen.seen[i][0] ? "" : " ", at.x, at.y, k + 1);
      put(files.binary, static_cast<double>(at.x), static_cast<double>(at.y), static_cast<uint64_t>(k + 1));
    }
    files.text += "\n";
  }
  return files;
}

Files points_of(const CloudFigure& figure, const CloudFigure::Cloud& cloud, const Chosen& chosen) {
  Files files{"# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n", ""};
  put(files.binary, static_cast<uint64_t>(chosen.points.size()));
  std::vector<uint32_t> next(cloud.cameras.size(), 0);  // place in the image's list
  for (size_t k = 0; k < chosen.points.size(); ++k) {
    const size_t i = chosen.points[k];
    const float* p = &cloud.points[3 * i];
    const uint8_t* rgb = &figure.colours[3 * i];
    print(files.text, "{} {} {} {} {} {} {} {}", k + 1, p[0], p[1], p[2], rgb[0], rgb[1], rgb[2],
          kUnknownError);
    put(files.binary, static_cast<uint64_t>(k + 1), static_cast<double>(p[0]), static_cast<double>(p[1]),
        static_cast<double>(p[2]), rgb[0], rgb[1], rgb[2], kUnknownError);
    const int32_t image = figure.pixels[i].image;
    const bool seen = cloud.cameras[image].known;
    put(files.binary, static_cast<uint64_t>(seen));
    if (seen) {
      print(files.text, " {} {}", image + 1, next[image]);
      put(files.binary, static_cast<uint32_t>(image + 1), next[image]++);
    }
    files.text += "\n";
  }
  return files;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> colmap_model(const CloudFigure& figure,
                                                              const CloudFigure::Cloud& cloud, int64_t most) {
  const Chosen chosen = chosen_points(figure, cloud, most);
  std::vector<std::pair<std::string, std::string>> all;
  const auto add = [&](const std::string& name, Files files) {
    all.emplace_back(name + ".txt", std::move(files.text));
    all.emplace_back(name + ".bin", std::move(files.binary));
  };
  add("cameras", cameras_of(cloud));
  add("images", images_of(figure, cloud, chosen));
  add("points3D", points_of(figure, cloud, chosen));
  return all;
}

}  // namespace vqt
