// What vqt-quantize can do, one function each. The result goes to stdout; all throw on failure.
#pragma once

#include "loader/cli/progress.h"
#include "loader/quantize/options.h"

namespace vqt::cli {

void list_sites(const Options& options, ProgressLine& progress);
void dry_run(const Options& options, ProgressLine& progress);
void repack(const Options& options, ProgressLine& progress);
void quantize(const Options& options, ProgressLine& progress);

}  // namespace vqt::cli
