#include "eval/drawing/point_cloud.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "vqt/quantile.h"

namespace vqt {
namespace {

// Pixels of the images themselves.
std::vector<int64_t> pictured(const CloudSource& source) {
  std::vector<int64_t> indices;
  int64_t first = 0;
  for (const Placement& p : source.placements) {
    const int64_t top = std::max<int64_t>(0, p.top), left = std::max<int64_t>(0, p.left);
    const int64_t bottom = std::min(source.frame.height, p.top + p.resized.height);
    const int64_t right = std::min(source.frame.width, p.left + p.resized.width);
    for (int64_t y = top; y < bottom; ++y) {
      for (int64_t x = left; x < right; ++x) indices.push_back(first + y * source.frame.width + x);
    }
    first += source.frame.height * source.frame.width;
  }
  return indices;
}

template <class Wanted>
void keep(std::vector<int64_t>& indices, Wanted wanted) {
  indices.erase(std::remove_if(indices.begin(), indices.end(), [&](int64_t i) { return !wanted(i); }),
                indices.end());
}

}  // namespace

bool finite_point(const float* p) {
  return std::isfinite(p[0]) && std::isfinite(p[1]) && std::isfinite(p[2]);
}

ShownPixels shown_pixels(const CloudSource& source, double percent, int64_t most) {
  ShownPixels shown{pictured(source), {}};
  std::vector<int64_t>& indices = shown.indices;
  if (source.confidence && percent > 0) {
    keep(indices, [&](int64_t i) { return std::isfinite(source.confidence[i]); });
    if (indices.empty()) return shown;
    std::vector<float> values;
    for (const int64_t i : indices) values.push_back(source.confidence[i]);
    shown.threshold = quantile_in_place(values, percent / 100);
    keep(indices, [&](int64_t i) { return source.confidence[i] >= *shown.threshold; });
  }
  keep(indices, [&](int64_t i) { return finite_point(source.points + 3 * i); });
  const auto count = static_cast<int64_t>(indices.size());
  if (count > most) {
    for (int64_t k = 0; k < most; ++k) indices[k] = indices[k * count / most];
    indices.resize(most);
  }
  return shown;
}

std::vector<float> points_at(const float* points, const std::vector<int64_t>& indices) {
  std::vector<float> result;
  result.reserve(3 * indices.size());
  for (const int64_t i : indices) result.insert(result.end(), points + 3 * i, points + 3 * i + 3);
  return result;
}

std::string ply_file(const std::vector<float>& points, const std::vector<uint8_t>& colours) {
  std::string vertices;
  vertices.reserve(15 * colours.size() / 3);
  size_t count = 0;
  for (size_t i = 0; i < points.size(); i += 3) {
    if (!finite_point(&points[i])) continue;
    vertices.append(reinterpret_cast<const char*>(&points[i]), 3 * sizeof(float));
    vertices.append(reinterpret_cast<const char*>(&colours[i]), 3);
    ++count;
  }
  return fmt::format(
             "ply\nformat binary_little_endian 1.0\ncomment vqt-eval\nelement vertex {}\n"
             "property float x\nproperty float y\nproperty float z\n"
             "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n",
             count) +
         vertices;
}

}  // namespace vqt
