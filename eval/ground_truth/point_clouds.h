// Clouds of points: the similarity that moves one onto another, and distances to the nearest neighbour.
#pragma once

#include <optional>
#include <vector>

#include "eval/ground_truth/pose.h"

namespace vqt {

struct Similarity {  // p -> scale * rotation * p + translation
  std::array<std::array<double, 3>, 3> rotation;
  double scale = 1;
  Vec3 translation;
};

// Umeyama 1991: the similarity with the least sum of squared distances from moved `from` to `to`, point i to
// point i, [n][3] each. Unset where fewer than 3 points or points of one place do not determine it.
std::optional<Similarity> umeyama(const std::vector<float>& from, const std::vector<float>& to);

std::vector<float> moved(const Similarity& s, const std::vector<float>& points);

// For every query the distance to the nearest of points, [n][3] each; points not empty.
std::vector<float> nearest_distances(const std::vector<float>& queries, const std::vector<float>& points);

}  // namespace vqt
