// Which parts of a method run only when an Optional input of forward is given.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

namespace vqt {

// For each input of a method: is it None unless an Optional input of forward is given?
using OnlyIfGiven = std::vector<bool>;

// Is value None unless an Optional input of forward is given?
bool only_if_given(const torch::jit::Value* value, const torch::jit::Graph& graph,
                   const OnlyIfGiven& arguments);
// Is condition == outcome only if an Optional input of forward is given?
bool needs_optional(const torch::jit::Value* condition, bool outcome, const torch::jit::Graph& graph,
                    const OnlyIfGiven& arguments);

}  // namespace vqt
