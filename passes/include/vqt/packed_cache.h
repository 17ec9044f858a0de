// Packed weights that several configs of one model share, each made once.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vqt/config.h"

namespace vqt {

struct QuantizedWeight {
  at::Tensor packed;     // uint8, self-describing
  double sqnr_db = 0.0;  // inf: exact
};

// A key is a text: a site of the model, and all that packing its weight depends on.
struct PackedCache {
  // The weight saved with that key; nothing where it cannot be used. needed_later: a later config uses it
  // too.
  std::function<std::optional<QuantizedWeight>(const std::string& key, bool needed_later)> load;
  std::function<void(const std::string& key, const QuantizedWeight& weight)> save;
  std::vector<QuantizationConfig> later;  // the configs that follow: only what they use is saved
};

}  // namespace vqt
