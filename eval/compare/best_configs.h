// The best models' configs as files that --config of vqt-quantize and vqt-eval accepts. Torch-free.
#pragma once

#include <string>

#include "eval/compare/best_models.h"
#include "eval/results/eval_report.h"

namespace vqt {

// The model's config with its name; null for a model that was not quantized.
Json best_config(const EvalReport& report, const BestModel& best);

// Below the folder of the results: "best/accuracy.json".
std::string best_config_path(const std::string& goal);

}  // namespace vqt
