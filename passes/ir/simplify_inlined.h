// Simplifies a graph after inlining.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace vqt {

// What a module attribute is on every run: a number, a boolean or None; nothing where it may change.
using KnownAttribute = std::function<std::optional<c10::IValue>(const torch::jit::Value* get_attr)>;

// Removes what cannot run or has no effect: branches on constants, on `x is None` where x's type decides and on
// `x is x`, outputs of a branch that are equal to another, casts that change no type, dropout in eval mode. Of all
// ops only comparisons and remainders of constants are run. Nodes with side effects stay.
void simplify_inlined(const std::shared_ptr<torch::jit::Graph>& graph, const KnownAttribute& known_attribute);

}  // namespace vqt
