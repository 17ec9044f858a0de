// Between config.cpp and config_json.cpp.
#pragma once

#include <string>
#include <vector>

#include "vqt/config.h"

namespace vqt {

// Only that the scheme fields given here do not contradict each other: flags, before they are put over a
// file.
void check_given_pairs(const QuantizationConfig& config);
// The values in "a|b|c".
std::vector<std::string> allowed_values(const char* text);

}  // namespace vqt
