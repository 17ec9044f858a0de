#include "eval/ground_truth/scene_truth.h"

#include <cmath>

namespace vqt {
namespace {

constexpr double kDoubleError = 1e-14;  // of relative_pose, as a share of the translations

double length(const Vec3& v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

}  // namespace

bool apart(const PictureTruth& a, const PictureTruth& b) {
  const double computed = kDoubleError * (length(a.pose.translation) + length(b.pose.translation));
  return length(relative_pose(a.pose, b.pose).translation) > a.centre_error + b.centre_error + computed;
}

}  // namespace vqt
