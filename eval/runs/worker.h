// One piece of work in a process of its own, so that its time and peak memory are its own.
#pragma once

#include <string>

namespace vqt {

// Reads the job (job.h) from a file and does it. JSON lines go to parent_fd: {"stage", "done", "total"} of progress,
// at last {"result": JobResult}, with every error. Returns the exit code.
int run_worker(const std::string& job_path, int parent_fd);

}  // namespace vqt
