// How to repeat a run, in results.json: every run writes it, --check reads it. Torch-free.
#pragma once

#include <set>
#include <string>

#include "eval/results/json.h"
#include "eval/results/run_settings.h"

namespace vqt {

// The field "run". What was compared is in the field "models".
Json recorded_run(const RunSettings& options);

// Reads a results.json of this version, of a finished run. Throws UsageError.
Json read_results(const std::string& path);

// The run that wrote the file flags.check. Of the flags given with it, named without hyphens: those of files
// and folders, warmup and runs come before what is recorded; flags.candidates are models at another path.
// Throws UsageError where another is among them.
RunSettings repeated_run(const Json& results, const RunSettings& flags, const std::set<std::string>& given);

}  // namespace vqt
