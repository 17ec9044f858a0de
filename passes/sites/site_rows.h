// The table of sites that reports show.
#pragma once

#include <vector>

#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Rows of a float model: what is planned, bytes_after predicted for this device; linears without a parameter
// come last.
std::vector<SiteReport> planned_rows(const SiteTable& table, const std::vector<PlannedSite>& plan,
                                     const std::string& device);
// Counts the calls anew, in a model whose graphs have changed since the rows were made.
void update_calls(const SiteTable& table, std::vector<SiteReport>& rows);
// Rows of any model as it is.
std::vector<SiteReport> present_rows(const SiteTable& table);

}  // namespace vqt
