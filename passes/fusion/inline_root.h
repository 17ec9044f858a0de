// Brings everything a root method calls into its own graph.
#pragma once

#include <vector>

#include "passes/ir/model_graph.h"

namespace vqt {

// Inlines, in every method of the root module that reaches a quantized linear, all methods of modules and all
// free functions. Submodules' own methods stay as they are and still run alone. Calls through an interface
// stay calls. Returns the methods that were inlined, as indices into model.methods().
std::vector<int> inline_root_methods(const ModelGraphs& model);

}  // namespace vqt
