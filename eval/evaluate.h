// The whole run: images, the reference, every candidate in a process of its own, comparison.
#pragma once

#include "eval/results/eval_report.h"
#include "eval/results/run_settings.h"
#include "eval/runs/checkpoint.h"
#include "loader/cli/progress_bar.h"

namespace vqt {

// Throws Error; Interrupted with a report of the models that were done.
void evaluate(const RunSettings& options, cli::ProgressBar& console, Checkpoint& checkpoint,
              EvalReport& report);

}  // namespace vqt
