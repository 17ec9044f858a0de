// Is there an op of a quantized model in any method, or in a function that a method calls?
#include "passes/rewrite/refuse_if_quantized.h"

#include <fmt/format.h>
#include <torch/csrc/jit/api/function_impl.h>

#include <set>
#include <string>

#include "passes/ir/convolutions.h"
#include "passes/ir/model_graph.h"
#include "passes/ir/trace_weight.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

// A node of any method, or of a function that a method calls, for which `wanted` is true; null without one.
class NodeSearch {
 public:
  explicit NodeSearch(bool (*wanted)(const Node*)) : wanted_(wanted) {}

  const Node* in_module(const Module& root) {
    for (const Module& module : root.modules()) {
      if (!types_.insert(module.type().get()).second) continue;
      for (Function* method : module.type()->methods()) {
        if (const Node* found = in_function(*method)) return found;
      }
    }
    return nullptr;
  }

 private:
  const Node* in_function(Function& function) {
    GraphFunction* graph_function = tryToGraphFunction(function);
    if (graph_function == nullptr || !functions_.insert(&function).second) return nullptr;
    function.ensure_defined();
    const Node* found = nullptr;
    for_each_node(graph_function->graph()->block(), [&](Node* node) {
      if (found == nullptr && wanted_(node)) found = node;
      if (found != nullptr || node->kind() != prim::CallFunction) return;
      if (const auto type = node->input(0)->type()->cast<c10::FunctionType>())
        found = in_function(*type->function());
    });
    return found;
  }

  bool (*wanted_)(const Node*);
  std::set<const c10::Type*> types_;
  std::set<const Function*> functions_;
};

bool is_in(const Node* node, const std::string& space) {
  return std::string(node->kind().toQualString()).rfind(space + "::", 0) == 0;
}

bool is_torch_quantized(const Node* node) { return is_in(node, "quantized"); }

bool is_onednn(const Node* node) {
  static const std::set<std::string> kNames = {"aten::to_mkldnn", "prim::ConstantMKLDNNTensor",
                                               "prim::mkldnn_convolution"};
  return kNames.count(node->kind().toQualString()) != 0 || is_in(node, "mkldnn_prepacked");
}

}  // namespace

bool is_quantized(const Module& model) {
  const auto is_ours = [](const Node* node) {
    return is_quantized_linear(node) || is_quantized_convolution(node);
  };
  return NodeSearch(is_ours).in_module(model) != nullptr;
}

void refuse_if_quantized(const Module& model) {
  if (!is_quantized(model)) return refuse_other_tools(model);
  throw Error(
      "vqt::quantize: the model is already quantized (it calls ops of vqt); quantize the float model it "
      "was made from");
}

void refuse_other_tools(const Module& model) {
  if (const Node* node = NodeSearch(&is_torch_quantized).in_module(model)) {
    throw Error(fmt::format(
        "vqt::quantize: the model is already quantized by torch.ao.quantization (it calls {}); quantize the float model "
        "it was made from",
        node->kind().toQualString()));
  }
  if (const Node* node = NodeSearch(&is_onednn).in_module(model)) {
    throw Error(fmt::format(
        "vqt::quantize: the model went through torch.jit.optimize_for_inference (it has {}): its weights lie in oneDNN's "
        "layout, which no file keeps; quantize the module that was passed to optimize_for_inference",
        node->kind().toQualString()));
  }
}

}  // namespace vqt
