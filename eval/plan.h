// What forward passes will need, before one is run: --plan, and the refusal of what cannot fit.
#pragma once

#include "eval/results/run_settings.h"
#include "loader/cli/progress_bar.h"
#include "loader/images/images.h"

namespace vqt {

// Memory and time per number of frames, up to that of the run, for the reference and every candidate. Throws Error,
// Interrupted.
void print_plan(const RunSettings& settings, cli::ProgressBar& console);

// Throws Error where a forward pass of the reference needs more memory than is free, with the number of frames that
// fit. Says nothing of a model that cannot be run on sizes alone.
void refuse_what_does_not_fit(const RunSettings& settings, const ImageFile& images);

}  // namespace vqt
