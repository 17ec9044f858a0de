// --progressive on the command line, and the configs of its steps. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/progressive_result.h"
#include "eval/results/run_settings.h"

namespace vqt {

// Checks what --progressive requires and what it excludes. Throws UsageError.
void check_progressive(const RunSettings& options);

// The base config with the changes of the trial. The int4 override is the last one, so that it decides.
Candidate candidate_of(const Candidate& base, const Trial& trial, int64_t group_size);

// Configs with every scheme that the steps use: a layer is stored as in the base, or in 4 bits.
std::vector<std::string> configs_of_steps(const RunSettings& settings);

}  // namespace vqt
