// Calibration for activation static: the range of the activations of each site.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "passes/rewrite/quantize_linears.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Runs the calibration inputs through a copy of model with observers (own types, functions inlined) and
// returns one range per site. The statistics are four numbers per site; no activation is kept. A site that
// runs only with an Optional input and that no input reached is kept in floating point (the plan changes,
// with a warning). Any other site that no input reached, and NaN or Inf, are errors.
std::vector<ActivationRange> observe_activations(const torch::jit::Module& model, const SiteTable& table,
                                                 const QuantizationConfig& config,
                                                 const QuantizeOptions& options,
                                                 std::vector<PlannedSite>& plan,
                                                 std::vector<std::string>& warnings);

// Inserts vqt::observe(x, statistics) before a linear; statistics is an attribute of the method's own module.
void insert_observer(torch::jit::Node* linear, const std::string& attribute);

// Scale and zero point of 8 bits for values in [min, max].
ActivationRange range_of(float min, float max, bool symmetric);

}  // namespace vqt
