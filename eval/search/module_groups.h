// Splits a network into the groups of layers that --progressive quantizes one after the other, and finds
// patterns that name them. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/results/progressive_result.h"

namespace vqt {

struct LayerSize {
  std::string name;
  int64_t bytes = 0;  // of the float weight
};

// From the layers' names: the network is split into its modules, and the heaviest group again, until none
// holds more than a quarter of the bytes or there would be more than 12. A list of blocks splits into its
// first and second half. Groups of less than 2 % are one group, "the rest".
std::vector<ModuleGroup> module_groups(const std::vector<LayerSize>& layers);

// The group split once; `all` are the layers of the network. Empty: the group is one layer.
std::vector<ModuleGroup> split_group(const ModuleGroup& group, const std::vector<LayerSize>& all);

// Patterns of a config (docs/config.md) that match all of `wanted` and none of `others`; as few as modules
// allow.
std::vector<std::string> patterns_of(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& others);

}  // namespace vqt
