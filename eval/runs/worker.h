// One piece of work in a process of its own, so that its time and peak memory are its own.
#pragma once

#include <string>

namespace vqt {

// Reads the job (job.h) from a file, does it, writes its result. Progress goes to progress_fd as JSON lines
// {"stage", "done", "total"}. Returns the exit code; every error is in the result file.
int run_worker(const std::string& job_path, int progress_fd);

}  // namespace vqt
