// Not torch::jit::Inline: it inlines graphs optimized for execution, whose constants were propagated by
// running ops, and compiles each method.
#include "passes/fusion/inline_root.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <set>

#include "passes/ir/convolutions.h"
#include "passes/ir/torch_modules.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The function that a call runs, where it is a graph and known before run time.
GraphFunction* callee(const Node* call) {
  Function* function = nullptr;
  if (call->kind() == prim::CallFunction) {
    if (const auto type = call->input(0)->type()->cast<c10::FunctionType>()) function = type->function();
  } else if (call->kind() == prim::CallMethod) {
    const auto type = call->input(0)->type()->cast<c10::ClassType>();
    if (type == nullptr || !type->is_module()) return nullptr;
    function = type->findMethod(call->s(attr::name));
    if (function == nullptr) function = type->findHook(call->s(attr::name));
  }
  GraphFunction* graph_function = function == nullptr ? nullptr : tryToGraphFunction(*function);
  if (graph_function != nullptr) graph_function->ensure_defined();
  return graph_function;
}

// Nothing in it can be fused with what calls it: between the linears of torch's attention and its caller are views
// and transposes, and torch's helpers check masks. Their branches would be in the root once for every layer.
bool stays_a_call(const Node* call) {
  if (call->kind() == prim::CallFunction)
    return is_torch_helper(*call->input(0)->type()->expectRef<c10::FunctionType>().function());
  return is_torch_attention(*call->input(0)->type());
}

bool reaches_quantized_layer(Graph& graph, std::set<const Function*>& seen) {
  bool found = false;
  for_each_node(graph.block(), [&](Node* node) {
    if (found) return;
    found = is_quantized_linear(node) || is_quantized_convolution(node);
    GraphFunction* function = callee(node);
    if (found || function == nullptr || !seen.insert(function).second) return;
    found = reaches_quantized_layer(*function->graph(), seen);
  });
  return found;
}

void inline_calls(Graph& graph) {
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<Node*> calls;
    for_each_node(graph.block(), [&](Node* node) {
      const bool in_fork = node->owningGraph() != &graph;
      if (!in_fork && callee(node) != nullptr && !stays_a_call(node)) calls.push_back(node);
    });
    for (Node* call : calls) {
      GraphFunction* function = callee(call);
      if (call->kind() == prim::CallFunction) call->removeInput(0);
      inlineCallTo(call, function, function->graph().get());
      changed = true;
    }
  }
}

}  // namespace

std::vector<int> inline_root_methods(const ModelGraphs& model) {
  std::vector<int> inlined;
  for (const int method : model.instances()[0].methods) {
    std::set<const Function*> seen;
    Graph& graph = *model.methods()[method].graph;
    if (reaches_quantized_layer(graph, seen)) inlined.push_back(method);
  }
  for (const int method : inlined) inline_calls(*model.methods()[method].graph);
  return inlined;
}

}  // namespace vqt
