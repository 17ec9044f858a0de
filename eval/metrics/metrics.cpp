#include "eval/metrics/metrics.h"

#include <algorithm>
#include <cmath>

namespace vqt {

void Comparison::add(const double* reference, const double* candidate, int64_t n) {
  seen_ += n;
  for (int64_t i = 0; i < n; ++i) {
    const double r = reference[i], c = candidate[i];
    const bool bad_r = !std::isfinite(r), bad_c = !std::isfinite(c);
    m_.nonfinite_in_reference += bad_r;
    m_.nonfinite += bad_c;
    mismatch_ = mismatch_ || bad_r != bad_c;
    if (bad_r || bad_c) continue;
    const double error = std::abs(r - c);
    low_ = errors_.count() > 0 ? std::min(low_, r) : r;
    high_ = errors_.count() > 0 ? std::max(high_, r) : r;
    errors_.add(error);
    sum_ += error;
    sum_squares_ += error * error;
    dot_ += r * c;
    norm_r_ += r * r;
    norm_c_ += c * c;
    m_.max_error = std::max(m_.max_error, error);
  }
}

Metrics Comparison::result() {
  Metrics m = m_;
  m.count = errors_.count();
  m.equal = m.max_error == 0 && !mismatch_ && (m.count > 0 || seen_ == 0);
  if (m.count == 0) return m;
  const double mse = sum_squares_ / static_cast<double>(m.count);
  m.mae = sum_ / static_cast<double>(m.count);
  m.rmse = std::sqrt(mse);
  if (mse > 0 && high_ > low_) m.psnr_db = 10 * std::log10((high_ - low_) * (high_ - low_) / mse);
  if (m.max_error > 0) {
    const double norms = std::sqrt(norm_r_) * std::sqrt(norm_c_);
    m.cosine = norms > 0 ? std::clamp(dot_ / norms, -1.0, 1.0) : 0.0;
  }
  m.p50 = errors_.at(0.5);
  m.p90 = errors_.at(0.9);
  m.p99 = errors_.at(0.99);
  return m;
}

Metrics compare(const double* reference, const double* candidate, int64_t n) {
  Comparison comparison;
  comparison.add(reference, candidate, n);
  return comparison.result();
}

}  // namespace vqt
