// The answer in words, for a terminal. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// A line for each goal: its winner and why, aligned, within 100 columns. Of one model: what it gains and
// keeps. With --progressive what came of it is the first.
std::string headline(const EvalReport& report);

}  // namespace vqt
