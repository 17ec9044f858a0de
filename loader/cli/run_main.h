// The main function of both programs.
#pragma once

#include <functional>
#include <string>

namespace vqt::cli {

// Runs work and returns the exit code: that of work, 2 for a UsageError, 128 + the signal's number for
// Interrupted, 1 for every other exception or where stdout cannot be written. "PROGRAM: error: ..." goes to
// stderr.
int run_main(const std::string& program, const std::function<int()>& work);

}  // namespace vqt::cli
