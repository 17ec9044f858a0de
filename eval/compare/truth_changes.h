// What ground truth says about quantization: whose poses and depth it changes by more than chance. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/eval_report.h"

namespace vqt {

struct TruthChange {
  std::string goal;                        // "poses": AUC@30, "depth": AbsRel
  std::vector<std::string> better, worse;  // models whose difference from the float model is significant
  std::string why;                         // in words
};

// One for each goal that a model is scored in; empty without ground truth.
std::vector<TruthChange> truth_changes(const EvalReport& report);

}  // namespace vqt
