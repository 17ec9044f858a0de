#include "eval/ground_truth/truth_errors.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "eval/ground_truth/match_names.h"
#include "eval/ground_truth/point_clouds.h"
#include "vqt/error.h"

namespace vqt {
namespace {

constexpr int64_t kMostPoints = 100000;  // of a forward pass, for distances
constexpr double kWorstRotation = 180, kWorstDirection = 90;

int64_t pixels(Size size) { return size.height * size.width; }

double or_worst(double angle, double worst) { return std::isnan(angle) ? worst : angle; }

PairError pair_error(int64_t a, int64_t b, const PictureTruth& true_a, const PictureTruth& true_b,
                     const Pose& predicted) {
  const Pose truth = relative_pose(true_a.pose, true_b.pose);
  // Two true cameras in one place have no direction between them that could be wrong.
  const double translation =
      apart(true_a, true_b)
          ? or_worst(direction_angle(truth.translation, predicted.translation), kWorstDirection)
          : 0;
  return {a, b, or_worst(rotation_angle(truth.rotation, predicted.rotation), kWorstRotation), translation};
}

// Points of pixels with known depth, and the image of each.
struct Clouds {
  std::vector<float> truth, predicted;
  std::vector<int64_t> picture;
};

void append(std::vector<float>& to, const float* point) { to.insert(to.end(), point, point + 3); }

}  // namespace

Pose decode_pose(const double* e) { return {normalized({e[6], e[3], e[4], e[5]}), {e[0], e[1], e[2]}}; }

std::vector<float> unprojected(const float* depth, const double* encoding, Size size) {
  const Pose pose = decode_pose(encoding);
  const double half_width = static_cast<double>(size.width) / 2,
               half_height = static_cast<double>(size.height) / 2;
  const double x_slope = std::tan(encoding[8] / 2) / half_width,
               y_slope = std::tan(encoding[7] / 2) / half_height;
  std::vector<float> points(3 * pixels(size));
  for (int64_t y = 0, i = 0; y < size.height; ++y) {
    for (int64_t x = 0; x < size.width; ++x, ++i) {
      const double z = depth[i];
      const Vec3 world = to_world(pose, {(static_cast<double>(x) - half_width) * x_slope * z,
                                         (static_cast<double>(y) - half_height) * y_slope * z, z});
      for (int k = 0; k < 3; ++k) points[3 * i + k] = static_cast<float>(world[k]);
    }
  }
  return points;
}

TruthStore::TruthStore(SceneTruth scene, const std::vector<std::string>& names,
                       const std::vector<Placement>& placements, Size frame, std::string path,
                       const Progress& progress)
    : scene_(std::move(scene)), frame_(frame), path_(std::move(path)) {
  std::ofstream file(path_, std::ios::binary);
  const auto write = [&](const std::vector<float>& values) {
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  };
  std::vector<std::string> problems;
  for (size_t i = 0; i < names.size(); ++i) {
    const FrameTruth truth = sample_truth(scene_.pictures[i], placements[i], frame_, names[i]);
    if (!truth.problem.empty()) problems.push_back(truth.problem);
    for (const float d : truth.depth) depth_pixels_ += d > 0;
    write(truth.depth);
    write(truth.points);
    if (progress) progress(static_cast<int64_t>(i) + 1, static_cast<int64_t>(names.size()));
  }
  if (!problems.empty())
    scene_.notes.push_back(left_out(problems, names.size(), "have a depth file that is not used"));
  file.close();
  if (!file) throw Error(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)));
}

FrameTruth TruthStore::read(int64_t picture) const {
  const int64_t n = pixels(frame_);
  std::ifstream file(path_, std::ios::binary);
  file.seekg(picture * 4 * n * static_cast<int64_t>(sizeof(float)));
  FrameTruth truth{std::vector<float>(n), std::vector<float>(3 * n), ""};
  file.read(reinterpret_cast<char*>(truth.depth.data()), n * static_cast<int64_t>(sizeof(float)));
  file.read(reinterpret_cast<char*>(truth.points.data()), 3 * n * static_cast<int64_t>(sizeof(float)));
  if (!file) throw Error(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
  return truth;
}

TruthErrorsBuilder::TruthErrorsBuilder(const TruthStore& truth) : truth_(truth) {
  errors_.depth.resize(truth.scene().pictures.size());
  errors_.points.resize(truth.scene().pictures.size());
}

void TruthErrorsBuilder::add(const Prediction& prediction) {
  add_pairs(prediction);
  if (truth_.depth_pixels() == 0 || (!prediction.depth && !prediction.points)) return;
  std::vector<FrameTruth> frames;
  const int64_t n = pixels(truth_.frame());
  for (int64_t f = 0; f < prediction.count; ++f) {
    frames.push_back(truth_.read(prediction.first + f));
    if (!prediction.depth) continue;
    for (int64_t i = 0; i < n; ++i) {
      const float truth = frames.back().depth[i], predicted = prediction.depth[f * n + i];
      if (truth <= 0 || !std::isfinite(predicted)) continue;
      true_depth_.add(truth);
      predicted_depth_.add(predicted > 0 ? predicted : 0.f);  // below 0 it does not matter how far
    }
  }
  add_points(prediction, frames);
}

void TruthErrorsBuilder::add_pairs(const Prediction& prediction) {
  if (prediction.poses.empty()) return;
  const auto& pictures = truth_.scene().pictures;
  for (int64_t a = 0; a < prediction.count; ++a) {
    if (!pictures[prediction.first + a].known) continue;
    for (int64_t b = a + 1; b < prediction.count; ++b) {
      const int64_t i = prediction.first + a, k = prediction.first + b;
      if (!pictures[k].known) continue;
      const Pose predicted =
          relative_pose(decode_pose(&prediction.poses[9 * a]), decode_pose(&prediction.poses[9 * b]));
      errors_.pairs.push_back(pair_error(i, k, pictures[i], pictures[k], predicted));
    }
  }
}

void TruthErrorsBuilder::add_points(const Prediction& prediction, const std::vector<FrameTruth>& frames) {
  if (!prediction.points && (!prediction.depth || prediction.poses.empty())) return;
  const int64_t n = pixels(truth_.frame());
  int64_t known = 0;
  for (const FrameTruth& frame : frames) {
    for (const float d : frame.depth) known += d > 0;
  }
  const int64_t step = known / kMostPoints + 1;
  Clouds clouds;
  int64_t next = 0;
  for (int64_t f = 0; f < prediction.count; ++f) {
    std::vector<float> made;
    if (!prediction.points)
      made = unprojected(prediction.depth + f * n, &prediction.poses[9 * f], truth_.frame());
    const float* points = prediction.points ? prediction.points + 3 * f * n : made.data();
    for (int64_t i = 0; i < n; ++i) {
      if (frames[f].depth[i] <= 0 || next++ % step != 0) continue;
      const float* p = points + 3 * i;
      if (!std::isfinite(p[0]) || !std::isfinite(p[1]) || !std::isfinite(p[2])) continue;
      append(clouds.truth, &frames[f].points[3 * i]);
      append(clouds.predicted, p);
      clouds.picture.push_back(prediction.first + f);
    }
  }
  const auto similarity = umeyama(clouds.predicted, clouds.truth);
  if (!similarity) return;
  const std::vector<float> aligned = moved(*similarity, clouds.predicted);
  const std::vector<float> accuracy = nearest_distances(aligned, clouds.truth);
  const std::vector<float> completeness = nearest_distances(clouds.truth, aligned);
  for (size_t i = 0; i < clouds.picture.size(); ++i) {
    PointErrors& errors = errors_.points[clouds.picture[i]];
    ++errors.count;
    errors.accuracy += accuracy[i];
    errors.completeness += completeness[i];
  }
}

void TruthErrorsBuilder::add_depth(const Prediction& prediction) {
  if (!prediction.depth || truth_.depth_pixels() == 0) return;
  if (!errors_.depth_scale && predicted_depth_.count() > 0) {
    const double median = predicted_depth_.at(0.5);
    if (median > 0) errors_.depth_scale = true_depth_.at(0.5) / median;
  }
  const int64_t n = pixels(truth_.frame());
  for (int64_t f = 0; f < prediction.count; ++f) {
    const FrameTruth frame = truth_.read(prediction.first + f);
    DepthErrors& errors = errors_.depth[prediction.first + f];
    for (int64_t i = 0; i < n; ++i) {
      const double truth = frame.depth[i];
      if (truth <= 0) continue;
      // No scale: no finite depth above 0 was predicted, which counts like NaN.
      const double predicted = errors_.depth_scale ? *errors_.depth_scale * prediction.depth[f * n + i] : NAN;
      if (!std::isfinite(predicted)) {
        ++errors.nonfinite;
        continue;
      }
      ++errors.count;
      errors.relative += std::abs(predicted - truth) / truth;
      errors.squares += (predicted - truth) * (predicted - truth);
      errors.within += predicted > 0 && std::max(predicted / truth, truth / predicted) < 1.25;
    }
  }
}

}  // namespace vqt
