#include "passes/sites/call_values.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <set>
#include <string>

namespace vqt {
namespace {

using namespace torch::jit;

Known known(const c10::IValue& value) {
  Known result{value.isNone(), std::nullopt};
  if (value.isInt() || value.isDouble() || value.isBool() || value.isString()) result.constant = value;
  return result;
}

// What its type alone says.
Known of_type(const c10::Type& type) {
  if (type.kind() == c10::TypeKind::NoneType) return {true, std::nullopt};
  if (type.kind() == c10::TypeKind::OptionalType || type.kind() == c10::TypeKind::AnyType) return {};
  return {false, std::nullopt};
}

bool is_scalar_op(const Node* node) {
  static const std::set<std::string> kNames = {"aten::eq",     "aten::ne",  "aten::lt",      "aten::le",
                                               "aten::gt",     "aten::ge",  "aten::__not__", "aten::__and__",
                                               "aten::__or__", "aten::Bool"};
  return kNames.count(node->kind().toQualString()) != 0 && node->outputs().size() == 1;
}

}  // namespace

Known CallValues::of(const Value* value, const CallArguments& arguments) const {
  if (value->type()->kind() == c10::TypeKind::TensorType || value->type()->kind() == c10::TypeKind::NoneType)
    return of_type(*value->type());
  const Node* node = value->node();
  if (node->kind() == prim::Constant) {
    const auto constant = toIValue(value);
    return constant ? known(*constant) : of_type(*value->type());
  }
  if (node->kind() == prim::Param && node->owningBlock() == node->owningGraph()->block()) {
    return value->offset() < arguments.size() ? arguments[value->offset()] : of_type(*value->type());
  }
  if (node->kind() == prim::GetAttr) {
    const int owner = model_.instance_of(node->input(0));
    if (owner < 0 || constants_.is_assigned(owner, node->s(attr::name))) return of_type(*value->type());
    return known(model_.attribute(value));
  }
  if (node->kind() == prim::unchecked_cast || node->kind() == prim::unchecked_unwrap_optional ||
      node->kind() == aten::_unwrap_optional) {
    return of(node->input(0), arguments);
  }
  if (node->kind() == prim::If) return of_branch(value, arguments);
  if (node->kind() == prim::CallFunction || node->kind() == prim::CallMethod)
    return of_call(value, arguments);
  return of_condition(node, arguments);
}

std::optional<bool> CallValues::boolean(const Value* value, const CallArguments& arguments) const {
  const Known found = of(value, arguments);
  return found.constant && found.constant->isBool() ? std::optional<bool>(found.constant->toBool())
                                                    : std::nullopt;
}

CallArguments CallValues::inputs_of(const Node* node, const CallArguments& arguments, size_t first) const {
  CallArguments inputs;
  for (size_t i = first; i < node->inputs().size(); ++i) inputs.push_back(of(node->input(i), arguments));
  return inputs;
}

Known CallValues::of_branch(const Value* output, const CallArguments& arguments) const {
  const Node* branch = output->node();
  const auto taken = boolean(branch->input(0), arguments);
  const auto in = [&](size_t block) {
    return of(branch->blocks()[block]->outputs()[output->offset()], arguments);
  };
  if (taken) return in(*taken ? 0 : 1);
  const Known a = in(0), b = in(1);
  Known both;
  if (a.none == b.none) both.none = a.none;
  if (a.constant && b.constant && a.constant->type()->kind() == b.constant->type()->kind() &&
      *a.constant == *b.constant) {
    both.constant = a.constant;
  }
  return both;
}

Known CallValues::of_call(const Value* output, const CallArguments& arguments) const {
  const Node* call = output->node();
  std::shared_ptr<Graph> graph;
  const bool function = call->kind() == prim::CallFunction;
  if (function) {
    const auto type = call->input(0)->type()->cast<c10::FunctionType>();
    GraphFunction* callee = type ? tryToGraphFunction(*type->function()) : nullptr;
    if (callee != nullptr) {
      callee->ensure_defined();
      graph = callee->graph();
    }
  } else if (const int callee = model_.callee_of(call); callee >= 0) {
    graph = model_.methods()[callee].graph;
  }
  if (!graph || output->offset() >= graph->outputs().size()) return of_type(*output->type());
  return of(graph->outputs()[output->offset()], inputs_of(call, arguments, function ? 1 : 0));
}

// is, is not, and, or, comparisons of numbers.
Known CallValues::of_condition(const Node* node, const CallArguments& arguments) const {
  if (node->outputs().size() != 1) return {};
  const Known unknown = of_type(*node->output()->type());
  const CallArguments inputs = inputs_of(node, arguments);
  if (node->kind() == aten::__is__ || node->kind() == aten::__isnot__) {
    if (!inputs[0].none || !inputs[1].none || (!*inputs[0].none && !*inputs[1].none)) return unknown;
    return known((*inputs[0].none == *inputs[1].none) == (node->kind() == aten::__is__));
  }
  if (!is_scalar_op(node)) return unknown;
  if (node->kind() == aten::__and__ || node->kind() == aten::__or__) {
    const bool decides = node->kind() == aten::__or__;
    for (const Known& input : inputs) {
      if (input.constant && input.constant->isBool() && input.constant->toBool() == decides)
        return known(decides);
    }
  }
  Stack stack;
  for (const Known& input : inputs) {
    if (!input.constant) return unknown;
    stack.push_back(*input.constant);
  }
  node->getOperation()(stack);
  return known(stack.at(0));
}

}  // namespace vqt
