#include "eval/ground_truth/scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "vqt/quantile.h"

namespace vqt {
namespace {

constexpr int kResamples = 1000;
constexpr uint64_t kSeed = 7;
constexpr size_t kLeastPictures = 3;

using Values = std::array<std::optional<double>, kTruthMetrics.size()>;

constexpr std::array<int, 4> kThresholds = {3, 5, 15, 30};  // degrees, as kTruthMetrics begins

// What one pair adds to the mean of the cumulative histogram up to each threshold: it counts in its own bin
// of 1 degree and in those above. The last bin holds its end, as numpy's.
std::array<double, kThresholds.size()> areas_of(double error) {
  std::array<double, kThresholds.size()> areas = {};
  for (size_t t = 0; t < areas.size(); ++t) {
    const double end = kThresholds[t];
    if (error <= end) areas[t] = (end - std::min(std::floor(error), end - 1)) / end;
  }
  return areas;
}

// Pairs in the order of one of their errors, for medians of any weights.
struct Sorted {
  std::vector<double> errors;
  std::vector<size_t> order;  // of pairs

  Sorted(const std::vector<PairError>& pairs, double PairError::*error) : order(pairs.size()) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t i, size_t k) { return pairs[i].*error < pairs[k].*error; });
    for (const size_t i : order) errors.push_back(pairs[i].*error);
  }

  // Of every error repeated as often as its weight says; total is the sum of the weights.
  double median(const std::vector<int64_t>& weights, int64_t total) const {
    double below = 0;
    int64_t seen = 0;
    for (size_t k = 0; k < order.size(); ++k) {
      const int64_t before = seen;
      seen += weights[order[k]];
      if (before <= (total - 1) / 2 && (total - 1) / 2 < seen) below = errors[k];
      if (total / 2 < seen) return (below + errors[k]) / 2;
    }
    return below;
  }
};

class Model {
 public:
  explicit Model(const TruthErrors& errors)
      : errors_(errors),
        rotation_(errors.pairs, &PairError::rotation),
        translation_(errors.pairs, &PairError::translation) {
    for (const PairError& p : errors.pairs) areas_.push_back(areas_of(std::max(p.rotation, p.translation)));
  }

  // times[i]: how often image i counts.
  Values at(const std::vector<int64_t>& times) {
    Values values;
    poses(times, values);
    depth(times, values);
    points(times, values);
    return values;
  }

 private:
  void poses(const std::vector<int64_t>& times, Values& values) {
    std::array<double, kThresholds.size()> areas = {};
    int64_t total = 0;
    weights_.resize(errors_.pairs.size());
    for (size_t i = 0; i < errors_.pairs.size(); ++i) {
      weights_[i] = times[errors_.pairs[i].a] * times[errors_.pairs[i].b];
      total += weights_[i];
      for (size_t t = 0; t < areas.size(); ++t) areas[t] += static_cast<double>(weights_[i]) * areas_[i][t];
    }
    if (total == 0) return;
    for (size_t t = 0; t < areas.size(); ++t) values[t] = 100 * areas[t] / static_cast<double>(total);
    values[4] = rotation_.median(weights_, total);
    values[5] = translation_.median(weights_, total);
  }

  void depth(const std::vector<int64_t>& times, Values& values) const {
    double count = 0, all = 0, relative = 0, squares = 0, within = 0;
    for (size_t i = 0; i < errors_.depth.size(); ++i) {
      const DepthErrors& d = errors_.depth[i];
      const auto n = static_cast<double>(times[i]);
      count += n * static_cast<double>(d.count);
      all += n * static_cast<double>(d.count + d.nonfinite);
      within += n * static_cast<double>(d.within);
      relative += n * d.relative;
      squares += n * d.squares;
    }
    if (count == 0) return;
    values[6] = relative / count;
    values[7] = std::sqrt(squares / count);
    values[8] = 100 * within / all;  // a NaN is not within
  }

  void points(const std::vector<int64_t>& times, Values& values) const {
    double count = 0, accuracy = 0, completeness = 0;
    for (size_t i = 0; i < errors_.points.size(); ++i) {
      const auto n = static_cast<double>(times[i]);
      count += n * static_cast<double>(errors_.points[i].count);
      accuracy += n * errors_.points[i].accuracy;
      completeness += n * errors_.points[i].completeness;
    }
    if (count == 0) return;
    values[9] = accuracy / count;
    values[10] = completeness / count;
    values[11] = (accuracy + completeness) / (2 * count);
  }

  const TruthErrors& errors_;
  Sorted rotation_, translation_;
  std::vector<std::array<double, kThresholds.size()>> areas_;  // of every pair
  std::vector<int64_t> weights_;
};

// Images that have errors of any kind: those a resample draws from.
std::vector<size_t> scored_pictures(const TruthErrors& errors) {
  std::vector<bool> scored(errors.depth.size());
  for (const PairError& p : errors.pairs) scored[p.a] = scored[p.b] = true;
  for (size_t i = 0; i < errors.depth.size(); ++i) {
    if (errors.depth[i].count + errors.depth[i].nonfinite > 0) scored[i] = true;
  }
  std::vector<size_t> found;
  for (size_t i = 0; i < scored.size(); ++i) {
    if (scored[i]) found.push_back(i);
  }
  return found;
}

// Between the 2.5th and the 97.5th percentile of what the resamples gave.
std::optional<Interval> interval_of(std::vector<double>& values) {
  if (values.size() < kResamples / 2) return {};
  return Interval{quantile_in_place(values, 0.025), quantile_in_place(values, 0.975)};
}

bool is_significant(const TruthScore& score, int64_t pictures) {
  if (!score.difference_interval || pictures < kLeastToTell) return false;
  if (score.difference_interval->low <= 0 && score.difference_interval->high >= 0) return false;
  return std::abs(*score.difference) >= kLeastChange * std::abs(*score.value - *score.difference);
}

}  // namespace

TruthScores truth_scores(const TruthErrors& errors, const TruthErrors* reference) {
  TruthScores scores;
  scores.pairs = static_cast<int64_t>(errors.pairs.size());
  scores.depth_scale = errors.depth_scale;
  for (const DepthErrors& d : errors.depth) {
    scores.depth_pixels += d.count;
    scores.nonfinite += d.nonfinite;
  }
  for (const PointErrors& p : errors.points) scores.points += p.count;

  Model model(errors);
  std::optional<Model> against;
  if (reference) against.emplace(*reference);
  const std::vector<int64_t> once(errors.depth.size(), 1);
  const Values values = model.at(once), expected = against ? against->at(once) : Values();
  for (size_t m = 0; m < values.size(); ++m) {
    scores.metrics[m].value = values[m];
    if (values[m] && expected[m]) scores.metrics[m].difference = *values[m] - *expected[m];
  }

  const std::vector<size_t> pictures = scored_pictures(errors);
  scores.pictures = static_cast<int64_t>(pictures.size());
  if (pictures.size() < kLeastPictures) return scores;
  std::array<std::vector<double>, kTruthMetrics.size()> drawn, differences;
  std::mt19937_64 random(kSeed);
  for (int r = 0; r < kResamples; ++r) {
    std::vector<int64_t> times(errors.depth.size(), 0);
    for (size_t i = 0; i < pictures.size(); ++i) ++times[pictures[random() % pictures.size()]];
    const Values here = model.at(times), there = against ? against->at(times) : Values();
    for (size_t m = 0; m < here.size(); ++m) {
      if (here[m]) drawn[m].push_back(*here[m]);
      if (here[m] && there[m]) differences[m].push_back(*here[m] - *there[m]);
    }
  }
  for (size_t m = 0; m < values.size(); ++m) {
    if (scores.metrics[m].value) scores.metrics[m].interval = interval_of(drawn[m]);
    if (scores.metrics[m].difference) scores.metrics[m].difference_interval = interval_of(differences[m]);
    scores.metrics[m].significant = is_significant(scores.metrics[m], scores.pictures);
  }
  return scores;
}

}  // namespace vqt
