// --progressive on the command line, and the configs of its steps. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/options.h"
#include "eval/results/progressive_result.h"

namespace vqt {

// What --progressive needs and what it does not go with. Throws UsageError.
void check_progressive(const Options& options);

// The base with what the trial changes. The int4 part comes last among the overrides, so that it decides.
Candidate candidate_of(const Candidate& base, const Trial& trial, int64_t group_size);

}  // namespace vqt
