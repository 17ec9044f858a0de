// How many of one fusion a model has.
#pragma once

#include <cstdint>
#include <string>

namespace vqt {

struct FusionCount {
  std::string name;  // as in the config field `fusions`
  int64_t made = 0;
};

}  // namespace vqt
