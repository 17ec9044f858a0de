// What is known of a value in one call of its method: None or not, and its constant.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <vector>

#include "passes/ir/constant_values.h"
#include "passes/ir/model_graph.h"

namespace vqt {

struct Known {
  std::optional<bool> none;             // is it None?
  std::optional<c10::IValue> constant;  // a number, boolean or string
};

// Of the inputs of a graph; nothing is known of those that it is too short for.
using CallArguments = std::vector<Known>;

class CallValues {
 public:
  CallValues(const ModelGraphs& model, const ConstantValues& constants)
      : model_(model), constants_(constants) {}

  // Follows branches that are decided, casts, and calls of functions and methods.
  Known of(const torch::jit::Value* value, const CallArguments& arguments) const;
  // A boolean that is the same in every such call.
  std::optional<bool> boolean(const torch::jit::Value* value, const CallArguments& arguments) const;
  // Of all inputs of a node, from the first on.
  CallArguments inputs_of(const torch::jit::Node* node, const CallArguments& arguments,
                          size_t first = 0) const;

 private:
  Known of_branch(const torch::jit::Value* output, const CallArguments& arguments) const;
  Known of_call(const torch::jit::Value* output, const CallArguments& arguments) const;
  Known of_condition(const torch::jit::Node* node, const CallArguments& arguments) const;

  const ModelGraphs& model_;
  const ConstantValues& constants_;
};

}  // namespace vqt
