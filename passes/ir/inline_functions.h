// Inlines what separates a linear from the parameter it reads.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "passes/ir/model_graph.h"

namespace vqt {

// Inlines, in every method: free functions with a linear or an attention inside (F.multi_head_attention_forward: all
// callers share its graph), and methods that take a weight as an argument or return one. The inlined functions and
// methods stay as they are.
void inline_functions(const ModelGraphs& model);

// Replaces every prim::If whose condition is constant by the branch it takes. Torch's constant propagation
// would also run ops such as is_grad_enabled and store their result.
void fold_branches(torch::jit::Graph& graph);

}  // namespace vqt
