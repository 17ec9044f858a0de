// What quantizing each site does to its output and its time, measured in one forward pass of a copy of the
// float model.
#pragma once

#include <string>
#include <vector>

#include "passes/calibration/speed_guard.h"
#include "passes/rewrite/quantize_linears.h"
#include "passes/sites/find_attention.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

struct Measurements {
  std::vector<MeasuredSite> linears, attention;  // one per site; all NaN without an input
};

// model: own types, functions inlined.
Measurements measure_sites(const torch::jit::Module& model, const SiteTable& table,
                           const std::vector<PlannedSite>& plan, const std::vector<ActivationRange>& ranges,
                           const std::vector<AttentionSite>& attention, const std::string& layout,
                           const QuantizeOptions& options);

// Adds them to as many rows from `first` on.
void add_measured(const std::vector<MeasuredSite>& measured, size_t first, std::vector<SiteReport>& rows);

}  // namespace vqt
