#include "eval/metrics/quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "vqt/quantile.h"

namespace vqt {
namespace {

// A float's bits grow with its value: dropping the low ones makes bins of equal relative width.
constexpr int kDropped = 10;
constexpr size_t kBins = size_t{1} << (31 - kDropped);  // no sign bit

size_t bin_of(double value) {
  const float rounded = static_cast<float>(value);
  uint32_t bits = 0;
  std::memcpy(&bits, &rounded, sizeof bits);
  return bits >> kDropped;
}

double value_of(size_t bin) {
  if (bin == 0) return 0;
  const uint32_t bits = static_cast<uint32_t>(bin) << kDropped | 1u << (kDropped - 1);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

void Quantiles::add(double value) {
  ++count_;
  if (bins_.empty() && values_.size() < exact_) {
    values_.push_back(value);
    return;
  }
  if (bins_.empty()) {
    bins_.assign(kBins, 0);
    for (const double v : values_) ++bins_[bin_of(v)];
    values_ = {};
  }
  ++bins_[bin_of(value)];
}

double Quantiles::rank(int64_t r) const {
  for (size_t bin = 0; bin < kBins; ++bin) {
    r -= bins_[bin];
    if (r < 0) return value_of(bin);
  }
  return value_of(kBins - 1);
}

double Quantiles::at(double q) {
  if (bins_.empty()) return quantile_in_place(values_, q);
  const double position = q * static_cast<double>(count_ - 1);
  const auto low = static_cast<int64_t>(position);
  const double fraction = position - static_cast<double>(low);
  const double below = rank(low);
  return low + 1 == count_ ? below : below + fraction * (rank(low + 1) - below);
}

}  // namespace vqt
