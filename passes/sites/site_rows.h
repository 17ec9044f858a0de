// The rows of the table of layers.
#pragma once

#include <vector>

#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Rows of a float model with a plan: bytes_after are predicted for this device. Linears whose weight is not a
// parameter come last.
std::vector<SiteReport> planned_rows(const SiteTable& table, const std::vector<PlannedSite>& plan,
                                     const std::string& device);
// Counts the calls again, after the graphs of the model have changed.
void update_calls(const SiteTable& table, std::vector<SiteReport>& rows);
// Rows of any model as it is.
std::vector<SiteReport> present_rows(const SiteTable& table);

}  // namespace vqt
