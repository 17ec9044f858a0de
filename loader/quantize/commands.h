// What vqt-quantize can do, one function each. The result goes to stdout; all throw on failure.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <vector>

#include "loader/cli/progress_bar.h"
#include "loader/quantize/options.h"
#include "vqt/site_report.h"

namespace vqt::cli {

// Bytes that a plan takes out of the file; a weight shared by several layers counts once.
int64_t saved_bytes(const torch::jit::Module& model, const std::vector<SiteReport>& rows);

void forecast_frames(const Options& options, ProgressBar& progress);  // --list with --frames or --max-memory
void list_layers(const Options& options, ProgressBar& progress);
void dry_run(const Options& options, ProgressBar& progress);
void repack(const Options& options, ProgressBar& progress);
void quantize(const Options& options, ProgressBar& progress);

}  // namespace vqt::cli
