// Values of a method that are the same on every run: attributes that no method assigns to, and widths that
// follow from a linear.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "passes/ir/model_graph.h"
#include "passes/ir/trace_weight.h"

namespace vqt {

class KnownValues {
 public:
  explicit KnownValues(const ModelGraphs& model);

  // Does a method assign to this attribute of an instance?
  bool is_assigned(int instance, const std::string& attribute) const;
  // The branch that a prim::If with this condition takes, where it is always the same.
  std::optional<bool> decided(const torch::jit::Value* condition) const;
  // For rows_of: an attribute, or the last size of a tensor that is the input of a linear.
  std::optional<int64_t> integer(const torch::jit::Value* value) const;

 private:
  c10::IValue constant_attribute(const torch::jit::Value* value) const;
  void note_width(const torch::jit::Node* linear);
  std::optional<int64_t> width_of(const torch::jit::Value& tensor, const torch::jit::Node* reader) const;

  const ModelGraphs& model_;
  std::set<std::pair<int, std::string>> assigned_;
  std::unordered_map<const torch::jit::Value*, std::vector<std::pair<const torch::jit::Block*, int64_t>>>
      widths_;
};

}  // namespace vqt
