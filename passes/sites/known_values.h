// Conditions and sizes that are the same on every run: by constants, and by the width that a linear requires.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "passes/ir/constant_values.h"
#include "passes/ir/model_graph.h"
#include "passes/ir/trace_weight.h"

namespace vqt {

class KnownValues {
 public:
  explicit KnownValues(const ModelGraphs& model);

  const ConstantValues& constants() const { return constants_; }
  // The branch that a prim::If with this condition takes, where it is always the same.
  std::optional<bool> decided(const torch::jit::Value* condition) const;
  // For rows_of: an attribute, or the last size of a tensor that is the input of a linear.
  std::optional<int64_t> integer(const torch::jit::Value* value) const;

 private:
  void note_width(const torch::jit::Node* linear);
  std::optional<int64_t> width_of(const torch::jit::Value& tensor, const torch::jit::Node* reader) const;

  const ModelGraphs& model_;
  const ConstantValues constants_;
  std::unordered_map<const torch::jit::Value*, std::vector<std::pair<const torch::jit::Block*, int64_t>>>
      widths_;
};

}  // namespace vqt
