// The whole run: pictures, the reference, every candidate in a process of its own, comparison.
#pragma once

#include "console.h"
#include "eval_error.h"
#include "options.h"
#include "report.h"

namespace vqt {

// Throws EvalError, ImageError, Interrupted, std::runtime_error.
EvalReport evaluate(const Options& options, Console& console);

}  // namespace vqt
