// The effect of attention in integers: output SQNR, and the times of torch's ops and of ours on its q, k and v.
#pragma once

#include <vector>

#include "passes/calibration/speed_guard.h"
#include "passes/calibration/watched_model.h"
#include "passes/sites/find_attention.h"

namespace vqt {

// Fills measured, one entry per site, while the model runs. copies: of the copy that is watched; sites: of the model
// that was copied.
void watch_attention(WatchedModel& model, const std::vector<AttentionSite>& copies,
                     const std::vector<AttentionSite>& sites, const MeasuredOne& measured_one,
                     std::vector<MeasuredSite>& measured);

}  // namespace vqt
