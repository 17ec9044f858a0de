// The command line of vqt-eval.
#pragma once

#include <string>
#include <vector>

#include "eval/results/run_settings.h"
#include "vqt/error.h"

namespace vqt {

// Throws UsageError.
RunSettings parse_options(const std::vector<std::string>& arguments);

}  // namespace vqt
