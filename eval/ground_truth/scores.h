// Scores of a model's poses, depth and points against ground truth, with their uncertainty.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace vqt {

struct TruthMetric {
  const char* group;  // pose, depth, points
  const char* key;    // in results.json
  const char* title;  // in tables
  const char* unit;
  bool more_is_better;
  int digits;  // after the point, in tables
};
// pose: over all pairs of images of a forward pass. The error of a pair is the larger of two angles: between
//   true and predicted relative rotation, and between the directions of the relative translations, whose sign
//   does not count. AUC@T: mean of the cumulative histogram of the errors in bins of 1 degree up to T.
// depth: over all pixels of known depth, predictions multiplied by one number for the scene, the ratio of the
//   medians of truth and prediction. AbsRel: mean |p - t| / t; delta: share with max(p / t, t / p) < 1.25.
// points: predicted points of pixels of known depth after Umeyama's similarity (rotation, translation, scale;
//   least squares over those pixels) has moved them to the ground truth. Accuracy: mean distance from a
//   predicted point to the nearest true one; completeness: the other way; overall: their mean.
constexpr std::array<TruthMetric, 12> kTruthMetrics = {{
    {"pose", "auc_3", "AUC@3", "%", true, 2},
    {"pose", "auc_5", "AUC@5", "%", true, 2},
    {"pose", "auc_15", "AUC@15", "%", true, 2},
    {"pose", "auc_30", "AUC@30", "%", true, 2},
    {"pose", "rotation_median_deg", "rotation", "degrees", false, 3},
    {"pose", "translation_median_deg", "translation", "degrees", false, 3},
    {"depth", "abs_rel", "AbsRel", "", false, 4},
    {"depth", "rmse", "RMSE", "scene units", false, 4},
    {"depth", "delta_1_25", "delta<1.25", "%", true, 2},
    {"points", "accuracy", "accuracy", "scene units", false, 4},
    {"points", "completeness", "completeness", "scene units", false, 4},
    {"points", "overall", "overall", "scene units", false, 4},
}};

struct Interval {
  double low = 0, high = 0;
};

struct TruthScore {
  std::optional<double> value;
  std::optional<Interval> interval;  // 95 %
  // Against the float model, over the same resamples. Unset for the float model itself.
  std::optional<double> difference;
  std::optional<Interval> difference_interval;
  // The difference is more than chance and worth a word: its interval excludes 0, it rests on kLeastToTell
  // images or more, and it is at least kLeastChange of the float model's value.
  bool significant = false;
};

// Fewer images that all change the same way do so by chance in more than 5 % of cases: 2 * 2^-5 = 6 %.
constexpr int64_t kLeastToTell = 6;
constexpr double kLeastChange = 0.01;

struct TruthScores {
  std::array<TruthScore, kTruthMetrics.size()> metrics;
  int64_t pictures = 0;                             // that have errors of any kind: resamples draw from them
  int64_t pairs = 0, depth_pixels = 0, points = 0;  // scored
  int64_t nonfinite = 0;                            // pixels of known depth whose prediction is NaN or Inf
  std::optional<double> depth_scale;
};

// --- errors that scores are computed from ---

struct PairError {
  int64_t a = 0, b = 0;                  // images
  double rotation = 0, translation = 0;  // degrees
};
struct DepthErrors {  // of one image, sums over its pixels of known depth
  int64_t count = 0, nonfinite = 0, within = 0;
  double relative = 0, squares = 0;
};
struct PointErrors {  // of one image
  int64_t count = 0;
  double accuracy = 0, completeness = 0;  // sums of distances
};
struct TruthErrors {
  std::vector<PairError> pairs;
  std::vector<DepthErrors> depth;   // one per image
  std::vector<PointErrors> points;  // one per image
  std::optional<double> depth_scale;
};

// Uncertainty: 1000 seeded resamples of the images, drawn with replacement; a pair counts as often as both
// its images were drawn together, as pairs that share an image do not err independently. No interval where
// fewer than 3 images have errors. Scale and alignment stay those of the whole scene.
TruthScores truth_scores(const TruthErrors& errors, const TruthErrors* reference);

}  // namespace vqt
