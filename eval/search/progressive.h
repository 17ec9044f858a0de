// --progressive: int8 first, then int4, each step taken only while the limits of accuracy hold. Which steps
// there are and which are taken; who runs them is handed in. Torch-free.
#pragma once

#include <functional>
#include <vector>

#include "eval/results/model_result.h"
#include "eval/results/progressive_result.h"

namespace vqt {

// Runs it. The result is good until the next call.
using TryTrial = std::function<const ModelResult&(const Trial&)>;

// First the base config alone (int8), then int4 for all that is int8; where the limits do not hold, part by
// part. Each part is first tried alone. Those that hold alone are put together in the order of the share of
// the room left by the limits that each used for a byte it saved (room_used, of the limit that lost most); a
// part that breaks the limits together with those before it is left out, and the next is tried. What was left
// out and holds a tenth of all weights or more is split once, and its pieces are tried on top of the rest.
Progressive go_progressive(const std::vector<Limit>& limits, const ReferenceResult& reference,
                           const TryTrial& try_trial);

// The float model holds limits on the change it is compared with, but not always those on a value, and not
// those on scores it does not have. Throws std::runtime_error: which limit, and what it has.
void check_reference_holds(const std::vector<Limit>& limits, const ReferenceResult& reference);

}  // namespace vqt
