#include "passes/rewrite/ranges_as_attributes.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <map>
#include <string>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// "out_proj_weight_q" of self.out_proj.weight_q, "" where the weight is no attribute below the graph's self.
std::string path_of(const Value* value, const Graph& graph) {
  if (value == graph.inputs()[0]) return "self";
  if (value->node()->kind() != prim::GetAttr) return "";
  const std::string owner = path_of(value->node()->input(0), graph), &name = value->node()->s(attr::name);
  return owner.empty() ? "" : owner == "self" ? name : owner + "_" + name;
}

bool is_static(const Node* linear) {
  const auto index = linear->schema().argumentIndexWithName("activation");
  return index && constant_as<std::string>(linear->input(*index)) == "static";
}

class AttributeMaker {
 public:
  AttributeMaker(const Module& module, Graph& graph) : module_(module), graph_(graph) {}

  // One attribute for all calls of a layer.
  void make(Node* linear, const std::string& argument) {
    const std::string path = path_of(linear->input(1), graph_);
    const size_t index = *linear->schema().argumentIndexWithName(argument);
    const auto constant = toIValue(linear->input(index));
    if (path.empty() || !constant) return;
    std::string& name = made_[path + argument];
    if (name.empty()) {
      name = path.substr(0, path.rfind("_q")) + "_" + argument;  // out_proj_weight_x_scale
      while (module_.hasattr(name)) name += "_";
      module_.register_attribute(name, constant->type(), *constant);
    }
    const WithInsertPoint guard(linear);
    linear->replaceInput(index, graph_.insertGetAttr(graph_.inputs()[0], name));
  }

 private:
  Module module_;
  Graph& graph_;
  std::map<std::string, std::string> made_;
};

}  // namespace

void ranges_as_attributes(const ModelGraphs& model) {
  for (const MethodGraph& method : model.methods()) {
    if (method.instance == 0) continue;
    AttributeMaker attributes(model.instances()[method.instance].module, *method.graph);
    for_each_node(method.graph->block(), [&](Node* node) {
      if (!is_quantized_linear(node) || node->owningGraph() != method.graph.get())
        return;  // not in a prim::fork
      if (!is_static(node)) return;
      attributes.make(node, "x_scale");
      attributes.make(node, "x_zero_point");
    });
    EliminateDeadCode(method.graph);  // the constants
  }
}

}  // namespace vqt
