// Scores against ground truth as the report's tables and JSON. Torch-free.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// {pose: {auc_3, ...}, depth: {...}, points: {...}}, and the same nest under interval_95, difference and
// difference_interval_95. Null: not scored.
Json truth_json(const TruthScores& scores);

// A row per model and a column per metric; then each model's differences from the float model with their
// uncertainty. Empty without ground truth.
std::string truth_summary(const EvalReport& report);
std::string truth_details(const EvalReport& report);

}  // namespace vqt
