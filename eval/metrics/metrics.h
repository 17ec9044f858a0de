// How far one output is from the reference's. Plain arrays, everything in double.
#pragma once

#include <cstdint>
#include <optional>

#include "eval/metrics/quantiles.h"

namespace vqt {

struct Metrics {
  int64_t count = 0;                   // elements compared
  int64_t nonfinite = 0;               // elements left out: NaN or Inf in the candidate
  int64_t nonfinite_in_reference = 0;  // elements left out: NaN or Inf in the reference
  double mae = 0;
  double rmse = 0;
  std::optional<double>
      psnr_db;         // peak = range of the reference; unset: equal outputs or a constant reference
  bool equal = false;  // no difference at all: PSNR is printed as inf
  double cosine = 1;   // 1 for equal outputs, 0 where only one of the two is all zero
  double max_error = 0;
  double p50 = 0, p90 = 0, p99 = 0;  // percentiles of the absolute error, see Quantiles
};

// Elements where either is NaN or Inf are counted and left out of everything else. Takes the elements in any
// number of pieces.
class Comparison {
 public:
  void add(const double* reference, const double* candidate, int64_t n);
  Metrics result();

 private:
  Metrics m_;
  Quantiles errors_;
  double sum_ = 0, sum_squares_ = 0, dot_ = 0, norm_r_ = 0, norm_c_ = 0;
  double low_ = 0, high_ = 0;  // of the reference
  bool mismatch_ = false;      // finite in one of the two only
  int64_t seen_ = 0;
};

// Both arrays hold n values.
Metrics compare(const double* reference, const double* candidate, int64_t n);

}  // namespace vqt
