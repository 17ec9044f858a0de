// Is there a quantized linear in any method, or in a function that a method calls?
#include "passes/rewrite/refuse_if_quantized.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <set>

#include "passes/ir/model_graph.h"
#include "passes/ir/trace_weight.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

class QuantizedSearch {
 public:
  bool in_module(const Module& root) {
    for (const Module& module : root.modules()) {
      if (!types_.insert(module.type().get()).second) continue;
      for (Function* method : module.type()->methods()) {
        if (in_function(*method)) return true;
      }
    }
    return false;
  }

 private:
  bool in_function(Function& function) {
    GraphFunction* graph_function = tryToGraphFunction(function);
    if (graph_function == nullptr || !functions_.insert(&function).second) return false;
    function.ensure_defined();
    bool found = false;
    for_each_node(graph_function->graph()->block(), [&](Node* node) {
      found = found || is_quantized_linear(node);
      if (found || node->kind() != prim::CallFunction) return;
      if (const auto type = node->input(0)->type()->cast<c10::FunctionType>())
        found = in_function(*type->function());
    });
    return found;
  }

  std::set<const c10::Type*> types_;
  std::set<const Function*> functions_;
};

}  // namespace

bool is_quantized(const Module& model) { return QuantizedSearch().in_module(model); }

void refuse_if_quantized(const Module& model) {
  if (!is_quantized(model)) return;
  throw Error(
      "vqt::quantize: the model is already quantized (it calls vqt::linear_*); quantize the float model it "
      "was made from");
}

}  // namespace vqt
