// Which parts of a method run only when an Optional input of forward is given.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

namespace vqt {

// By input of a method: is it None unless an Optional input of forward is given?
using OnlyIfGiven = std::vector<bool>;

// Can value be something else than None only when an Optional input of forward was given?
bool only_if_given(const torch::jit::Value* value, const torch::jit::Graph& graph,
                   const OnlyIfGiven& arguments);
// Does condition == outcome tell that an Optional input of forward was given?
bool needs_optional(const torch::jit::Value* condition, bool outcome, const torch::jit::Graph& graph,
                    const OnlyIfGiven& arguments);

}  // namespace vqt
