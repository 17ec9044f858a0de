// The result of a run in a few words, for a terminal. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// The model to take; then a line for each goal, the best model and why, aligned, within 100 columns; then what
// changed against ground truth. With --progressive its result is the first line.
std::string headline(const EvalReport& report);

}  // namespace vqt
