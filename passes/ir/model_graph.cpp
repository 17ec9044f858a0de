// Instances, their names and their method graphs.
#include "passes/ir/model_graph.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <unordered_set>

namespace vqt {
namespace {

using namespace torch::jit;

}  // namespace

std::string join_fqn(const std::string& prefix, const std::string& name) {
  if (prefix.empty() || name.empty()) return prefix + name;
  return prefix + "." + name;
}

void for_each_node(Block* block, const std::function<void(Node*)>& fn) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (Block* inner : node->blocks()) for_each_node(inner, fn);
    if (node->hasAttribute(attr::Subgraph)) for_each_node(node->g(attr::Subgraph)->block(), fn);
    fn(node);
  }
}

ModelGraphs::ModelGraphs(const Module& root) { add(root, ""); }

void ModelGraphs::add(const Module& module, const std::string& fqn) {
  const int index = static_cast<int>(instances_.size());
  if (!by_object_.emplace(module._ivalue().get(), index).second) return;
  by_type_.emplace(module.type().get(), index);
  instances_.push_back({module, fqn, {}});
  const auto add_methods = [&](const std::vector<Function*>& functions) {
    for (Function* function : functions) {
      GraphFunction* graph_function = tryToGraphFunction(*function);
      if (graph_function == nullptr) continue;
      function->ensure_defined();
      instances_[index].methods.push_back(static_cast<int>(methods_.size()));
      methods_.push_back({index, function->name(), graph_function->graph()});
    }
  };
  const c10::ClassTypePtr type = module.type();
  add_methods(type->methods());
  add_methods(type->getForwardPreHooks());
  add_methods(type->getForwardHooks());
  for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
    const c10::IValue value = module._ivalue()->getSlot(slot);
    if (value.isModule()) add(value.toModule(), join_fqn(fqn, type->getAttributeName(slot)));
  }
}

int ModelGraphs::instance_of(const Value* value) const {
  const auto found = by_type_.find(value->type().get());
  if (found != by_type_.end()) return found->second;
  if (value->node()->kind() != prim::GetAttr) return -1;
  const c10::IValue module = attribute(value);  // of an interface type: the object has the real one
  if (!module.isModule()) return -1;
  const auto object = by_object_.find(module.toObject().get());
  return object == by_object_.end() ? -1 : object->second;
}

c10::IValue ModelGraphs::attribute(const Value* value) const {
  const Node* node = value->node();
  if (node->kind() != prim::GetAttr) return {};
  const int owner = instance_of(node->input(0));
  if (owner < 0) return {};
  const Module& module = instances_[owner].module;
  const std::string& name = node->s(attr::name);
  return module.hasattr(name) ? module.attr(name) : c10::IValue();
}

int ModelGraphs::callee_of(const Node* call) const {
  if (call->kind() != prim::CallMethod) return -1;
  const int receiver = instance_of(call->input(0));
  if (receiver < 0) return -1;
  for (int method : instances_[receiver].methods) {
    if (methods_[method].name == call->s(attr::name)) return method;
  }
  return -1;
}

bool ModelGraphs::contains_any(int instance, const std::vector<int>& others) const {
  const std::unordered_set<int> known(others.begin(), others.end());
  std::vector<int> todo = {instance};
  while (!todo.empty()) {
    const int current = todo.back();
    todo.pop_back();
    if (known.count(current)) return true;
    for (const c10::IValue& value : instances_[current].module._ivalue()->slots()) {
      if (value.isModule()) todo.push_back(by_object_.at(value.toObject().get()));
    }
  }
  return false;
}

std::string ModelGraphs::describe(const MethodGraph& method) const {
  const std::string& fqn = instances_[method.instance].fqn;
  return "method " + method.name + " of " + (fqn.empty() ? "the model" : fqn);
}

}  // namespace vqt
