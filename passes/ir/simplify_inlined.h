// Simplifies a graph after inlining.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>

namespace vqt {

// Is this value, read from a module, always false? (`training` of a model in eval mode.)
using AlwaysFalse = std::function<bool(const torch::jit::Value*)>;

// Removes what cannot run or has no effect: branches on constants and on `x is None` where x's type decides,
// casts that change no type, dropout in eval mode. Of all ops only comparisons of constants are run. Nodes
// with side effects stay.
void simplify_inlined(const std::shared_ptr<torch::jit::Graph>& graph, const AlwaysFalse& always_false);

}  // namespace vqt
