// The whole run: pictures, the reference, every candidate in a process of its own, comparison.
#pragma once

#include "eval/options.h"
#include "eval/results/report.h"
#include "eval/runs/eval_error.h"
#include "eval/runs/unfinished_run.h"
#include "loader/cli/console.h"

namespace vqt {

// Throws EvalError, ImageError, std::runtime_error; Interrupted with a report of the models that were done.
void evaluate(const Options& options, Console& console, UnfinishedRun& unfinished, EvalReport& report);

}  // namespace vqt
