// The sites that are slower quantized than in floating point on this machine.
#pragma once

#include <limits>
#include <vector>

#include "passes/sites/find_attention.h"
#include "vqt/plan.h"
#include "vqt/site.h"

namespace vqt {

// Measured in one forward pass of the float model; NaN: the forward pass did not reach the site.
struct MeasuredSite {
  double output_sqnr_db = std::numeric_limits<double>::quiet_NaN();  // of the first call
  double ms_float = std::numeric_limits<double>::quiet_NaN();        // of all calls together
  double ms_quantized = std::numeric_limits<double>::quiet_NaN();
};

// Keeps planned sites in floating point whose quantized linears measured slower; the reason has both times.
// Of sites that share a weight all or none are kept, by the sum of their times. A site without a measurement
// stays planned. Pure.
void keep_slower_float(const std::vector<SiteInfo>& sites, const std::vector<MeasuredSite>& measured,
                       std::vector<PlannedSite>& plan);

// The same for attention: torch's ops stay where integers measured slower.
void keep_slower_attention(const std::vector<MeasuredSite>& measured, std::vector<AttentionSite>& sites);

}  // namespace vqt
