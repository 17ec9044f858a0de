// Median and quantiles of values in memory. Torch-free. (eval/metrics/quantiles.h: of more values than fit.)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace vqt {

// The value at rank q * (n - 1) of the sorted values, linear between neighbours: numpy's default. NaN where
// there is no value or one of them is NaN. Reorders the values.
template <typename T>
double quantile_in_place(std::vector<T>& values, double q) {
  const bool nan = std::any_of(values.begin(), values.end(), [](T v) { return std::isnan(v); });
  if (values.empty() || nan) return std::numeric_limits<double>::quiet_NaN();
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto low = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), low, values.end());
  const double below = *low, fraction = rank - std::floor(rank);
  if (fraction == 0) return below;
  const double above = *std::min_element(low + 1, values.end());
  return above == below ? below : below + fraction * (above - below);  // two infinities have no difference
}

template <typename T>
double quantile(std::vector<T> values, double q) {
  return quantile_in_place(values, q);
}

// Of an even number: the mean of the two in the middle.
template <typename T>
double median(std::vector<T> values) {
  return quantile_in_place(values, 0.5);
}

}  // namespace vqt
