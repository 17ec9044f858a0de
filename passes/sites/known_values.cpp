#include "passes/sites/known_values.h"

#include <torch/csrc/jit/ir/constants.h>

namespace vqt {

using namespace torch::jit;

KnownValues::KnownValues(const ModelGraphs& model) : model_(model), constants_(model) {
  for (const MethodGraph& method : model.methods()) {
    for_each_node(method.graph->block(), [&](Node* node) { note_width(node); });
  }
}

std::optional<int64_t> KnownValues::integer(const Value* value) const {
  const c10::IValue constant = constants_.of(value);
  if (constant.isInt()) return constant.toInt();
  const Value* tensor = tensor_with_last_size(value);
  return tensor == nullptr ? std::nullopt : width_of(*tensor, value->node());
}

std::optional<bool> KnownValues::decided(const Value* condition) const {
  const c10::IValue constant = constants_.of(condition);
  if (constant.isBool()) return constant.toBool();
  if (condition->node()->kind() == aten::__not__) {
    const auto inner = decided(condition->node()->input(0));
    return inner ? std::optional<bool>(!*inner) : std::nullopt;
  }
  return std::nullopt;
}

// The input of a linear is as wide as its weight: any other width would be an error.
void KnownValues::note_width(const Node* linear) {
  if (!is_float_linear(linear)) return;
  Value* root = weight_root(linear->input(1));
  const c10::IValue weight = root->node()->kind() == prim::Constant ? toIValue(root).value_or(c10::IValue())
                                                                    : model_.attribute(root);
  if (!weight.isTensor() || !weight.toTensor().defined() || weight.toTensor().dim() != 2) return;
  if (!keeps_columns(linear->input(1), root)) return;
  widths_[linear->input(0)].emplace_back(linear->owningBlock(), weight.toTensor().size(1));
}

// The last size of a tensor that is the input of a linear which runs whenever `reader` does.
std::optional<int64_t> KnownValues::width_of(const Value& tensor, const Node* reader) const {
  const auto found = widths_.find(&tensor);
  if (found == widths_.end()) return std::nullopt;
  for (const Block* block = reader->owningBlock(); block != nullptr;
       block = block->owningNode() == nullptr ? nullptr : block->owningNode()->owningBlock()) {
    for (const auto& [linear_block, width] : found->second) {
      if (linear_block == block) return width;
    }
  }
  return std::nullopt;
}

}  // namespace vqt
