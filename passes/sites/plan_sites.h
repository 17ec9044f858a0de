// What surrounds the plan of a model's sites.
#pragma once

#include <string>
#include <vector>

#include "passes/sites/find_sites.h"
#include "vqt/plan.h"

namespace vqt {

// "auto", or "canonical" with a warning where the weights are for a device this build has no kernels for.
std::string layout_for(const std::string& device, std::vector<std::string>& warnings);
// Throws Error with the reasons where nothing is left to quantize.
void require_work(const SiteTable& table, const std::vector<PlannedSite>& plan);

}  // namespace vqt
