// The effect of quantizing each site: output SQNR, and the time of both kernels on the site's activations.
#pragma once

#include <string>
#include <vector>

#include "passes/calibration/speed_guard.h"
#include "passes/calibration/watched_model.h"
#include "passes/rewrite/quantize_linears.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"

namespace vqt {

// How the sites of a model are planned to be quantized. The references outlive the run.
struct LinearPlans {
  const SiteTable& table;
  const std::vector<PlannedSite>& plan;
  const std::vector<ActivationRange>& ranges;
  const std::string& layout;  // as in pack_weight
};

// Fills measured, one entry per site, while the model runs. sites: of the copy that is watched; plans: of the model
// that was copied. A weight is packed for its measurement only, so that the memory is that of the float model.
void watch_linears(WatchedModel& model, const SiteTable& sites, const LinearPlans& plans,
                   const MeasuredOne& measured_one, std::vector<MeasuredSite>& measured);

}  // namespace vqt
