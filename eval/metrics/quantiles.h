// Quantiles, linear between neighbours as numpy's: of a few values, and of any number in bounded memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vqt {

// The value at rank q * (n - 1), q from 0 to 1. values is not empty; its order changes.
template <class T>
double quantile(std::vector<T>& values, double q) {
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<int64_t>(rank);
  std::nth_element(values.begin(), below, values.end());
  if (below + 1 == values.end()) return *below;
  const double above = *std::min_element(below + 1, values.end());
  return *below + (above - *below) * (rank - static_cast<double>(static_cast<int64_t>(rank)));
}

// Of values >= 0. Up to `exact` values are kept as they are; beyond, only how many fall into each bin of a
// fixed histogram whose bins are 1/8192 of a value wide, so that a quantile is off by at most 0.013 % of
// itself.
class Quantiles {
 public:
  explicit Quantiles(size_t exact = size_t{1} << 22) : exact_(exact) {}

  void add(double value);
  int64_t count() const { return count_; }
  // As quantile above. count > 0.
  double at(double q);

 private:
  double rank(int64_t r) const;  // of the histogram

  size_t exact_;
  int64_t count_ = 0;
  std::vector<double> values_;
  std::vector<int64_t> bins_;  // empty: values_ holds all
};

}  // namespace vqt
