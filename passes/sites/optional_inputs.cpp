#include "passes/sites/optional_inputs.h"

#include <torch/csrc/jit/ir/constants.h>

#include "passes/ir/trace_weight.h"

namespace vqt {

using namespace torch::jit;

bool only_if_given(const Value* value, const Graph& graph, const OnlyIfGiven& arguments) {
  while (is_alias_of_input(value->node())) value = value->node()->input(0);
  const Node* node = value->node();
  if (node->kind() == prim::If) {  // checked, converted, ... in one branch
    for (size_t i = 0; i < 2; ++i) {
      const Value* end = node->blocks()[i]->outputs()[value->offset()];
      if (end->type()->kind() == c10::TypeKind::NoneType) continue;
      if (!needs_optional(node->input(0), i == 0, graph, arguments) && !only_if_given(end, graph, arguments))
        return false;
    }
    return true;
  }
  return node == graph.block()->param_node() && value->offset() < arguments.size() &&
         arguments[value->offset()];
}

bool needs_optional(const Value* condition, bool outcome, const Graph& graph, const OnlyIfGiven& arguments) {
  const Node* node = condition->node();
  if (node->kind() == aten::__not__) return needs_optional(node->input(0), !outcome, graph, arguments);
  if (node->kind() == aten::__isnot__ || node->kind() == aten::__is__) {
    if (outcome != (node->kind() == aten::__isnot__)) return false;
    return node->input(1)->type()->kind() == c10::TypeKind::NoneType &&
           only_if_given(node->input(0), graph, arguments);
  }
  if (node->kind() == prim::If) {  // `a and b` (false otherwise), `a or b` (true otherwise)
    const Value* ends[2] = {node->blocks()[0]->outputs()[condition->offset()],
                            node->blocks()[1]->outputs()[condition->offset()]};
    for (size_t i = 0; i < 2; ++i) {
      const auto other = toIValue(ends[1 - i]);
      if (!other || !other->isBool() || other->toBool() == outcome) continue;
      if (needs_optional(node->input(0), i == 0, graph, arguments)) return true;
      return needs_optional(ends[i], outcome, graph, arguments);
    }
  }
  return false;
}

}  // namespace vqt
