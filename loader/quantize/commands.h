// What vqt-quantize can do, one function each. The result goes to stdout; all throw on failure.
#pragma once

#include "loader/cli/progress_bar.h"
#include "loader/quantize/options.h"

namespace vqt::cli {

void list_layers(const Options& options, ProgressBar& progress);
void dry_run(const Options& options, ProgressBar& progress);
void repack(const Options& options, ProgressBar& progress);
void quantize(const Options& options, ProgressBar& progress);

}  // namespace vqt::cli
