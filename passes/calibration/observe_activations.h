// Calibration for activation static: what range do a site's activations have?
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "passes/rewrite/quantize_linears.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Runs the calibration inputs through an observed copy of model (own types, functions inlined) and returns
// one range a site. Statistics are streamed: four numbers a site, no activation is kept. A site that only an
// Optional input reaches and that no input did stays float (plan is changed, a warning says so); any other
// site that saw nothing, NaN or Inf is an error.
std::vector<ActivationRange> observe_activations(const torch::jit::Module& model, const SiteTable& table,
                                                 const QuantizationConfig& config,
                                                 const QuantizeOptions& options,
                                                 std::vector<PlannedSite>& plan,
                                                 std::vector<std::string>& warnings);

// vqt::observe(x, statistics) before a linear; statistics comes from an attribute of the method's own module.
void insert_observer(torch::jit::Node* linear, const std::string& attribute);

// From {min, max} to scale and zero point, by the formulas of docs/ops.md for 8 bits.
ActivationRange range_of(float min, float max, bool symmetric);

}  // namespace vqt
