// Brings linears to the weights they read.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "passes/ir/model_graph.h"

namespace vqt {

// Inlines, in every method: free functions with a linear inside (all callers share one graph:
// F.multi_head_attention_forward), and methods that take a weight as an argument or give one back. What was
// inlined from is left as it is.
void inline_functions(const ModelGraphs& model);

// Replaces every prim::If whose condition is constant by the branch it takes. Not torch's constant
// propagation: that one would also run ops, is_grad_enabled for one, and freeze what they say today.
void fold_branches(torch::jit::Graph& graph);

}  // namespace vqt
