// A job in a process of its own, and how reliable its times are.
#pragma once

#include <optional>
#include <string>

#include "eval/results/model_result.h"
#include "eval/results/run_settings.h"
#include "eval/runs/job.h"
#include "eval/runs/process.h"
#include "loader/cli/progress_bar.h"

namespace vqt {

// Waits for it, with progress under title. Its files are in temp. Throws Error, Interrupted.
JobResult run_job(Job job, const TempFolder& temp, cli::ProgressBar& console, const std::string& title);

Cost cost_of(const JobResult& result, int64_t pictures);

// A warning about the times: fewer forward passes than requested, a busy machine, or forward passes that differ much.
std::optional<std::string> timing_note(const JobResult& result, const RunSettings& options);

}  // namespace vqt
