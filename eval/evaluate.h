// The whole run: pictures, the reference, every candidate in a process of its own, comparison.
#pragma once

#include "console.h"
#include "options.h"
#include "report.h"

namespace vqt {

// A worker failed; the message says what and why. exit_code is 1, or 2 where a config does not fit the model.
struct EvalError : std::runtime_error {
  EvalError(const std::string& what, int exit_code) : std::runtime_error(what), exit_code(exit_code) {}
  int exit_code;
};

// Throws EvalError, ImageError, Interrupted, std::runtime_error.
EvalReport evaluate(const Options& options, Console& console);

}  // namespace vqt
