// Errors of a model's predictions against a scene's ground truth, one forward pass after the other.
#pragma once

#include <functional>
#include <string>

#include "eval/ground_truth/sample_truth.h"
#include "eval/ground_truth/scores.h"
#include "eval/metrics/quantiles.h"

namespace vqt {

// Ground truth sampled once for the frame size and kept in a file: the depth files of a scene are gigabytes.
class TruthStore {
 public:
  // Called after each image: done, total.
  using Progress = std::function<void(int64_t done, int64_t total)>;
  TruthStore(SceneTruth scene, const std::vector<std::string>& names,
             const std::vector<Placement>& placements, Size frame, std::string path,
             const Progress& progress);

  const SceneTruth& scene() const { return scene_; }
  Size frame() const { return frame_; }
  int64_t depth_pixels() const { return depth_pixels_; }
  FrameTruth read(int64_t picture) const;

 private:
  SceneTruth scene_;
  Size frame_;
  std::string path_;
  int64_t depth_pixels_ = 0;
};

// VGGT's encoding of a camera: translation, quaternion x y z w, vertical and horizontal field of view in
// radians; world to camera.
Pose decode_pose(const double* encoding);

// World points of depth, [height][width][3]. VGGT's own rule: pixel centres at whole numbers, the principal
// point in the middle of the frame.
std::vector<float> unprojected(const float* depth, const double* encoding, Size size);

// One forward pass: images [first, first + count).
struct Prediction {
  int64_t first = 0, count = 0;
  // Encodings [count][9]. Empty: the model returns none.
  std::vector<double> poses;
  const float* depth = nullptr;   // [count][height][width], or null
  const float* points = nullptr;  // [count][height][width][3], or null: made from depth and poses
};

// Every forward pass is a reconstruction of its own, with a world and a scale of its own. Pairs of images and
// the alignment of points therefore stay within a forward pass; the scale of depth is one for the scene.
class TruthErrorsBuilder {
 public:
  explicit TruthErrorsBuilder(const TruthStore& truth);
  void add(const Prediction& prediction);  // of every forward pass,
  void add_depth(
      const Prediction& prediction);  // then again of every forward pass, as the scale is known only then
  TruthErrors take() { return std::move(errors_); }

 private:
  void add_pairs(const Prediction& prediction);
  void add_points(const Prediction& prediction, const std::vector<FrameTruth>& frames);

  const TruthStore& truth_;
  TruthErrors errors_;
  Quantiles true_depth_, predicted_depth_;
};

}  // namespace vqt
