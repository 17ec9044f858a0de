#include "eval/ground_truth/point_clouds.h"

#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/flann.hpp>

namespace vqt {
namespace {

cv::Matx31d at(const std::vector<float>& points, size_t i) {
  return {points[3 * i], points[3 * i + 1], points[3 * i + 2]};
}

cv::Matx31d mean_of(const std::vector<float>& points) {
  cv::Matx31d sum = cv::Matx31d::zeros();
  for (size_t i = 0; i < points.size() / 3; ++i) sum += at(points, i);
  return sum * (3.0 / static_cast<double>(points.size()));
}

}  // namespace

std::optional<Similarity> umeyama(const std::vector<float>& from, const std::vector<float>& to) {
  const size_t n = from.size() / 3;
  if (n < 3) return {};
  const cv::Matx31d from_mean = mean_of(from), to_mean = mean_of(to);
  cv::Matx33d covariance = cv::Matx33d::zeros();
  double variance = 0;
  for (size_t i = 0; i < n; ++i) {
    const cv::Matx31d f = at(from, i) - from_mean, t = at(to, i) - to_mean;
    covariance += t * f.t();
    variance += f.dot(f);
  }
  cv::Matx31d d;
  cv::Matx33d u, vt;
  cv::SVD::compute(covariance, d, u, vt);
  // Points on one line leave the turn about it open.
  if (!(d(1) > 1e-12 * d(0)) || !(variance > 0)) return {};
  cv::Matx33d sign = cv::Matx33d::eye();
  if (cv::determinant(u) * cv::determinant(vt) < 0) sign(2, 2) = -1;  // else a reflection
  const cv::Matx33d rotation = u * sign * vt;
  Similarity s;
  s.scale = (d(0) + d(1) + sign(2, 2) * d(2)) / variance;
  const cv::Matx31d translation = to_mean - s.scale * (rotation * from_mean);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) s.rotation[r][c] = rotation(r, c);
    s.translation[r] = translation(r);
  }
  return s;
}

std::vector<float> moved(const Similarity& s, const std::vector<float>& points) {
  std::vector<float> result(points.size());
  for (size_t i = 0; i < points.size(); i += 3) {
    for (int r = 0; r < 3; ++r) {
      double sum = 0;
      for (int c = 0; c < 3; ++c) sum += s.rotation[r][c] * points[i + c];
      result[i + r] = static_cast<float>(s.scale * sum + s.translation[r]);
    }
  }
  return result;
}

std::vector<float> nearest_distances(const std::vector<float>& queries, const std::vector<float>& points) {
  using Distance = cvflann::L2_Simple<float>;
  // flann takes pointers without const and writes to neither.
  const cvflann::Matrix<float> cloud(const_cast<float*>(points.data()), points.size() / 3, 3);
  const cvflann::Matrix<float> asked(const_cast<float*>(queries.data()), queries.size() / 3, 3);
  cvflann::KDTreeSingleIndex<Distance> tree(cloud, cvflann::KDTreeSingleIndexParams(16));
  tree.buildIndex();
  std::vector<int> index(asked.rows);
  std::vector<float> distances(asked.rows);
  cvflann::Matrix<int> indices(index.data(), asked.rows, 1);
  cvflann::Matrix<float> squares(distances.data(), asked.rows, 1);
  tree.knnSearch(asked, indices, squares, 1, cvflann::SearchParams());  // exact: eps is 0
  for (float& d : distances) d = std::sqrt(d);
  return distances;
}

}  // namespace vqt
