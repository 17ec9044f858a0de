// How a weight is stored and what its activations do. Torch-free: kernels, passes and tools share it.
#pragma once

#include <cstdint>
#include <string>

namespace vqt {

enum class Granularity : uint8_t {
  kPerTensor = 0,   // one scale
  kPerChannel = 1,  // one scale per output row
  // One scale per run of group_size values of a row, whose last group may be short; -1: one group per row.
  kGroup = 2,
};

enum class ActivationMode : uint8_t {
  kDynamic = 0,  // every row of x gets its own scale (and zero point) at run time
  kStatic = 1,   // one scale and zero point from calibration
  kNone = 2,     // weight-only: x stays float
};

struct Scheme {
  int64_t bits = 8;  // 4, 8 or 16
  bool symmetric = true;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 0;  // values per scale with kGroup (-1: a whole row), 0 otherwise

  bool operator==(const Scheme& o) const {
    return bits == o.bits && symmetric == o.symmetric && granularity == o.granularity &&
           group_size == o.group_size;
  }
};

// Consecutive values of a row-major weight [n, k] that share a scale. Int: int64_t, or torch's SymInt.
template <class Int>
Int values_per_scale(const Int& n, const Int& k, const Scheme& scheme) {
  if (scheme.granularity == Granularity::kPerTensor) return n * k;
  return scheme.granularity == Granularity::kGroup && scheme.group_size > 0 ? Int(scheme.group_size) : k;
}

// k with the values that the last group of a row lacks: value i of row r has scale (r * width + i) / run, where
// run is values_per_scale.
template <class Int>
Int row_width(const Int& k, const Scheme& scheme) {
  if (scheme.granularity != Granularity::kGroup || scheme.group_size < 0) return k;
  return (k + (scheme.group_size - 1)) / scheme.group_size * scheme.group_size;
}

// Scales of a weight [n, k].
template <class Int>
Int scale_count(const Int& n, const Int& k, const Scheme& scheme) {
  if (scheme.granularity == Granularity::kPerTensor) return 1;
  if (scheme.granularity == Granularity::kPerChannel || scheme.group_size < 0) return n;
  return n * (row_width(k, scheme) / scheme.group_size);
}

// "per_tensor", "per_channel", "group": the spelling of ops, config and reports.
const char* to_string(Granularity granularity);
// Throws std::invalid_argument that lists the three names.
Granularity granularity_from(const std::string& name);

// "dynamic", "static", "none".
const char* to_string(ActivationMode activation);
ActivationMode activation_mode_from(const std::string& name);

// The field's shorthand: w8a8, w4a8-g128, w4a16-g64, w16a16. 16-bit weights compute with float activations.
std::string shorthand(const Scheme& scheme, ActivationMode activation);

}  // namespace vqt
