// --preset of both programs.
#pragma once

#include <string>

#include "vqt/config.h"

namespace vqt::cli {

// Throws UsageError that names the flag and the nearest preset.
QuantizationConfig preset_of_flag(const std::string& name);

}  // namespace vqt::cli
