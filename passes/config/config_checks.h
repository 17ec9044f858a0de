// Checks that config_checks.cpp shares with config_flags.cpp.
#pragma once

#include <string>
#include <vector>

#include "vqt/config.h"

namespace vqt {

// Do the given scheme fields contradict each other? For flags, before they are put over a file.
void check_given_pairs(const QuantizationConfig& config);
// The values in "a|b|c".
std::vector<std::string> allowed_values(const char* text);

}  // namespace vqt
