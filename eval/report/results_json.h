// The report as JSON: results.json. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// "w8a8", or the two schemes with most weights joined by +; "float32" where nothing is quantized.
std::string main_scheme(const ModelResult& model);

// docs/results.schema.json describes it, of version kResultsVersion.
Json results_json(const EvalReport& report);

}  // namespace vqt
