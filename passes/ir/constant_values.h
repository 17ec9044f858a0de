// Values that are the same on every run.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <set>
#include <string>
#include <utility>

#include "passes/ir/model_graph.h"

namespace vqt {

class ConstantValues {
 public:
  explicit ConstantValues(const ModelGraphs& model);

  // The value of a prim::Constant, or of an attribute that no method assigns to. None where it is not known.
  c10::IValue of(const torch::jit::Value* value) const;
  // Does a method assign to this attribute of an instance?
  bool is_assigned(int instance, const std::string& attribute) const;

 private:
  const ModelGraphs& model_;
  std::set<std::pair<int, std::string>> assigned_;
};

// Is value this constant?
bool is_int(const torch::jit::Value* value, int64_t expected);
bool is_none(const torch::jit::Value* value);

// Equal for two tensors with the same shape and the same memory.
std::string tensor_identity(const at::Tensor& tensor);

}  // namespace vqt
