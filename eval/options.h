// The command line of vqt-eval.
#pragma once

#include <string>
#include <vector>

#include "eval/results/run_settings.h"
#include "eval/results/usage_error.h"

namespace vqt {

// Throws UsageError; ConfigError for the content of a config file.
RunSettings parse_options(const std::vector<std::string>& arguments);

}  // namespace vqt
