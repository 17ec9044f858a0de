// How many of one fusion a forward pass runs, and why others were not made.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace vqt {

// Once a forward pass: of the two branches of an `if` the larger number, the body of a loop once. A model without a
// method `forward`: the largest of its methods.
struct FusionCount {
  std::string name;  // as in the config field `fusions`
  int64_t made = 0;
  std::map<std::string, int64_t> left;  // reason: how many could not be made for it
};

}  // namespace vqt
