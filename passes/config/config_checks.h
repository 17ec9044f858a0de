// Checks that config_checks.cpp shares with config_flags.cpp.
#pragma once

#include <string>
#include <vector>

#include "vqt/config.h"

namespace vqt {

// Do the given scheme fields contradict each other? For flags, before they are put over a file.
void check_given_pairs(const QuantizationConfig& config);
// A quant_type such as w4a16-g64 becomes what it stands for: bits, group_size, and activation of the whole config. Where
// `given` or (activation_given) config say otherwise, that is a contradiction.
void expand_shorthand(SchemeFields& given, QuantizationConfig& config, bool activation_given);
// The same in its overrides, whose activations are the whole config's.
void expand_shorthands_in_overrides(QuantizationConfig& config);
// The values in "a|b|c".
std::vector<std::string> allowed_values(const char* text);

}  // namespace vqt
