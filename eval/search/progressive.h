// --progressive: int8 first, then int4; a step is accepted only while the accuracy limits hold. Chooses the
// steps; the caller runs them. Torch-free.
#pragma once

#include <functional>
#include <vector>

#include "eval/results/model_result.h"
#include "eval/results/progressive_result.h"

namespace vqt {

// Runs a trial. The result is valid until the next call.
using TryTrial = std::function<const ModelResult&(const Trial&)>;

// A greedy search. First the base config alone (int8), then int4 for all that is int8. Where that breaks the
// limits, module group by module group: each is first tried alone; those that hold are combined in the order
// of cost per byte saved (budget_used of the limit that lost most). A group that breaks the limits together
// with those before it is left out, and the next is tried. A group that was left out and holds a tenth of all
// weights or more is split once, and its pieces are tried on top of the rest.
Progressive run_progressive(const std::vector<Limit>& limits, const ReferenceResult& reference,
                            const TryTrial& try_trial);

// The float model holds limits on a change from itself, but not always limits on a value, nor limits on
// scores that it does not have. Throws Error: which limit, and what the float model scores.
void check_reference_holds(const std::vector<Limit>& limits, const ReferenceResult& reference);

}  // namespace vqt
