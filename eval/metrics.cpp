#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace vqt {
namespace {

// The value at rank q * (n - 1) of the sorted errors, linear between neighbours. Reorders errors.
double percentile(std::vector<double>& errors, double q) {
  const double rank = q * static_cast<double>(errors.size() - 1);
  const size_t low = static_cast<size_t>(rank);
  std::nth_element(errors.begin(), errors.begin() + low, errors.end());
  const double at_low = errors[low];
  if (low + 1 == errors.size()) return at_low;
  const double above = *std::min_element(errors.begin() + low + 1, errors.end());
  return at_low + (rank - static_cast<double>(low)) * (above - at_low);
}

}  // namespace

Metrics compare(const double* reference, const double* candidate, int64_t n) {
  Metrics m;
  std::vector<double> errors;
  errors.reserve(n);
  double sum = 0, sum_squares = 0, dot = 0, norm_r = 0, norm_c = 0;
  bool mismatch = false;  // finite in one of the two only
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (int64_t i = 0; i < n; ++i) {
    const double r = reference[i], c = candidate[i];
    const bool bad_r = !std::isfinite(r), bad_c = !std::isfinite(c);
    m.nonfinite_in_reference += bad_r;
    m.nonfinite += bad_c;
    mismatch = mismatch || bad_r != bad_c;
    if (bad_r || bad_c) continue;
    const double error = std::abs(r - c);
    errors.push_back(error);
    sum += error;
    sum_squares += error * error;
    dot += r * c;
    norm_r += r * r;
    norm_c += c * c;
    low = std::min(low, r);
    high = std::max(high, r);
    m.max_error = std::max(m.max_error, error);
  }
  m.count = static_cast<int64_t>(errors.size());
  m.equal = m.max_error == 0 && !mismatch && (m.count > 0 || n == 0);
  if (m.count == 0) return m;
  const double mse = sum_squares / static_cast<double>(m.count);
  m.mae = sum / static_cast<double>(m.count);
  m.rmse = std::sqrt(mse);
  if (mse > 0 && high > low) m.psnr_db = 10 * std::log10((high - low) * (high - low) / mse);
  if (m.max_error > 0) {
    const double norms = std::sqrt(norm_r) * std::sqrt(norm_c);
    m.cosine = norms > 0 ? std::clamp(dot / norms, -1.0, 1.0) : 0.0;
  }
  m.p50 = percentile(errors, 0.5);
  m.p90 = percentile(errors, 0.9);
  m.p99 = percentile(errors, 0.99);
  return m;
}

}  // namespace vqt
