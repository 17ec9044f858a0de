// How far one output is from the reference's. Plain arrays, everything in double.
#pragma once

#include <cstdint>
#include <optional>

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
  double p50 = 0, p90 = 0, p99 = 0;  // percentiles of the absolute error, linear between ranks as numpy's
};

// Both arrays hold n values. Elements where either is NaN or Inf are counted and left out of everything else.
Metrics compare(const double* reference, const double* candidate, int64_t n);

}  // namespace vqt
