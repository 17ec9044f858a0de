// The winners' configs as files that --config of vqt-quantize and of vqt-eval takes. Torch-free.
#pragma once

#include <string>

#include "eval/compare/best_models.h"
#include "eval/results/eval_report.h"

namespace vqt {

// The winner's config with its name; null for a model that was not quantized.
Json best_config(const EvalReport& report, const BestModel& winner);

// Below the folder of the results: "best/accuracy.json".
std::string best_config_path(const std::string& goal);

}  // namespace vqt
