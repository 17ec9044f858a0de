// Presets that have another name now.
#pragma once

#include <string>

namespace vqt {

// What to tell a user of a preset's older name; empty: it is not one. QuantizationConfig::preset takes both.
std::string preset_note(const std::string& name);

}  // namespace vqt
