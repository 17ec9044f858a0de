// The configs of the best models and of the recommended one, as files that --config of vqt-quantize and
// vqt-eval accepts. Torch-free.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/results/eval_report.h"

namespace vqt {

// Below the folder of the results: "best/accuracy.json", of a goal or of kRecommended.
std::string best_config_path(const std::string& goal);
constexpr const char* kRecommended = "recommended";

// The config with its name of each goal's best model, and of the recommended one first. Without those that
// were not quantized.
std::vector<std::pair<std::string, Json>> best_configs(const EvalReport& report);

}  // namespace vqt
