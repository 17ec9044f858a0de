#include "passes/sites/known_values.h"

#include <torch/csrc/jit/ir/constants.h>

namespace vqt {

using namespace torch::jit;

KnownValues::KnownValues(const ModelGraphs& model) : model_(model) {
  for (const MethodGraph& method : model.methods()) {
    for_each_node(method.graph->block(), [&](Node* node) {
      if (node->kind() == prim::SetAttr)
        assigned_.emplace(model.instance_of(node->input(0)), node->s(attr::name));
    });
  }
  for (const MethodGraph& method : model.methods()) {
    for_each_node(method.graph->block(), [&](Node* node) { note_width(node); });
  }
}

bool KnownValues::is_assigned(int instance, const std::string& attribute) const {
  return assigned_.count({instance, attribute}) != 0;
}

std::optional<int64_t> KnownValues::integer(const Value* value) const {
  const c10::IValue constant = constant_attribute(value);
  if (constant.isInt()) return constant.toInt();
  const Value* tensor = tensor_with_last_size(value);
  return tensor == nullptr ? std::nullopt : width_of(*tensor, value->node());
}

std::optional<bool> KnownValues::decided(const Value* condition) const {
  const c10::IValue attribute = constant_attribute(condition);
  if (attribute.isBool()) return attribute.toBool();
  if (const auto constant = toIValue(condition); constant && constant->isBool()) return constant->toBool();
  if (condition->node()->kind() == aten::__not__) {
    const auto inner = decided(condition->node()->input(0));
    return inner ? std::optional<bool>(!*inner) : std::nullopt;
  }
  return std::nullopt;
}

c10::IValue KnownValues::constant_attribute(const Value* value) const {
  if (value->node()->kind() != prim::GetAttr) return {};
  const int owner = model_.instance_of(value->node()->input(0));
  if (owner < 0 || assigned_.count({owner, value->node()->s(attr::name)})) return {};
  return model_.attribute(value);
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
