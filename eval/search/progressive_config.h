// --progressive on the command line, and the configs of its steps. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/progressive_result.h"
#include "eval/results/run_settings.h"

namespace vqt {

// What --progressive needs and what it does not go with. Throws UsageError.
void check_progressive(const RunSettings& options);

// The base with what the trial changes. The int4 part comes last among the overrides, so that it decides.
Candidate candidate_of(const Candidate& base, const Trial& trial, int64_t group_size);

// Configs whose schemes are all that its steps use: a site is stored as in the base, or in 4 bits.
std::vector<std::string> configs_of_steps(const RunSettings& settings);

}  // namespace vqt
