// Quantiles of any number of values >= 0 in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vqt {

// Up to `exact` values are kept as they are; beyond, only how many fall into each bin of a fixed histogram
// whose bins are 1/8192 of a value wide, so that a quantile is off by at most 0.013 % of itself.
class Quantiles {
 public:
  explicit Quantiles(size_t exact = size_t{1} << 22) : exact_(exact) {}

  void add(double value);
  int64_t count() const { return count_; }
  // The value at rank q * (n - 1), linear between neighbours as numpy's. n > 0.
  double at(double q);

 private:
  double rank(int64_t r) const;  // of the histogram

  size_t exact_;
  int64_t count_ = 0;
  std::vector<double> values_;
  std::vector<int64_t> bins_;  // empty: values_ holds all
};

}  // namespace vqt
