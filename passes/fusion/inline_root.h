// Inlines everything that a root method calls.
#pragma once

#include <vector>

#include "passes/ir/model_graph.h"

namespace vqt {

// Inlines, in every method of the root module that reaches a quantized linear or convolution, all methods of modules and all
// free functions, but for torch's attention and its helpers. The methods of submodules do not change and still run
// on their own. Calls through an interface stay. Returns those root methods as indices into model.methods().
std::vector<int> inline_root_methods(const ModelGraphs& model);

}  // namespace vqt
