// The effect of quantizing each site: output SQNR, and the time of both kernels on the site's activations.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <vector>

#include "passes/calibration/speed_guard.h"
#include "passes/rewrite/quantize_linears.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Runs one input through a copy of the float model (own types, functions inlined) whose planned linears also
// run quantized. One entry per site; all NaN without an input. A weight is packed for its measurement only,
// so that the memory is that of the float model.
std::vector<MeasuredSite> measure_linears(const torch::jit::Module& model, const SiteTable& table,
                                          const std::vector<PlannedSite>& plan,
                                          const std::vector<ActivationRange>& ranges,
                                          const std::string& layout, const QuantizeOptions& options);
// Adds them to the rows of the report, one entry per site.
void add_measured(const std::vector<MeasuredSite>& measured, std::vector<SiteReport>& rows);

}  // namespace vqt
