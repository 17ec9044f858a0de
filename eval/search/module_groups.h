// The places of a network that quantization goes through one after the other, and patterns that name them.
// Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/results/progressive_result.h"

namespace vqt {

struct SiteSize {
  std::string name;
  int64_t bytes = 0;  // of the float weight
};

// Sites by their place, from their names: the network is split into the modules it is made of, and the
// heaviest part further, until none holds more than a quarter of the bytes or there would be more than 12. A
// list of blocks splits into its first and second half. Parts of less than 2 % are one together, "the rest".
std::vector<Part> parts_of(const std::vector<SiteSize>& sites);

// What a part is made of, one split further; `all` are the sites of the network. Empty: it is one site.
std::vector<Part> pieces_of(const Part& part, const std::vector<SiteSize>& all);

// Patterns of a config (docs/config.md) that match all of `wanted` and none of `others`; as few as modules
// allow.
std::vector<std::string> patterns_of(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& others);

}  // namespace vqt
