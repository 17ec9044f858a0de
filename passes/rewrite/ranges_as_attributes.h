// Calibrated scales and zero points: from constants of the code to attributes of the module.
#pragma once

#include "passes/ir/model_graph.h"

namespace vqt {

// In all methods but the root's, whose fusions made constants of theirs: equal layers then differ in data alone, and
// share_types finds one type for them. Methods that have not run yet.
void ranges_as_attributes(const ModelGraphs& model);

}  // namespace vqt
