#include "passes/ir/constant_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/ir/constants.h>

namespace vqt {

using namespace torch::jit;

ConstantValues::ConstantValues(const ModelGraphs& model) : model_(model) {
  for (const MethodGraph& method : model.methods()) {
    for_each_node(method.graph->block(), [&](Node* node) {
      if (node->kind() == prim::SetAttr)
        assigned_.emplace(model.instance_of(node->input(0)), node->s(attr::name));
    });
  }
}

c10::IValue ConstantValues::of(const Value* value) const {
  const Node* node = value->node();
  if (node->kind() == prim::Constant) return toIValue(value).value_or(c10::IValue());
  if (node->kind() != prim::GetAttr) return {};
  const int owner = model_.instance_of(node->input(0));
  return owner < 0 || is_assigned(owner, node->s(attr::name)) ? c10::IValue() : model_.attribute(value);
}

bool ConstantValues::is_assigned(int instance, const std::string& attribute) const {
  return assigned_.count({instance, attribute}) != 0;
}

bool is_int(const Value* value, int64_t expected) {
  const auto constant = toIValue(value);
  return constant && constant->isInt() && constant->toInt() == expected;
}

bool is_none(const Value* value) {
  const auto constant = toIValue(value);
  return constant && constant->isNone();
}

std::string tensor_identity(const at::Tensor& t) {
  if (!t.has_storage()) return fmt::format("{}", static_cast<const void*>(t.unsafeGetTensorImpl()));
  return fmt::format("{} {} {} {}", static_cast<const void*>(t.storage().unsafeGetStorageImpl()),
                     t.storage_offset(), fmt::join(t.sizes(), ","), fmt::join(t.strides(), ","));
}

}  // namespace vqt
