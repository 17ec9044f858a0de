// Which sites would lose by being quantized on this machine.
#pragma once

#include <limits>
#include <vector>

#include "vqt/plan.h"
#include "vqt/site.h"

namespace vqt {

// What one forward through the float model told of a site; NaN: it did not get there.
struct MeasuredSite {
  double output_sqnr_db = std::numeric_limits<double>::quiet_NaN();  // of the first call
  double ms_float = std::numeric_limits<double>::quiet_NaN();        // of all calls together
  double ms_quantized = std::numeric_limits<double>::quiet_NaN();
};

// Planned sites whose quantized linears measured slower than the float ones stay float, and the reason holds
// both times. Sites that share a weight do so all or none, by the sum of their times. Without a measurement a
// site stays planned. Pure.
void keep_slower_float(const std::vector<SiteInfo>& sites, const std::vector<MeasuredSite>& measured,
                       std::vector<PlannedSite>& plan);

}  // namespace vqt
