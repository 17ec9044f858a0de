// Inline, simplify, fuse: on the root's methods only, so that submodules still run on their own.
#include "passes/fusion/fuse.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <set>

#include "passes/fusion/fusions.h"
#include "passes/fusion/inline_root.h"
#include "passes/fusion/simplify_inlined.h"
#include "passes/ir/model_graph.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The values of constants and of attributes that no method assigns to.
class Attributes {
 public:
  explicit Attributes(const ModelGraphs& model) : model_(model) {
    for (const MethodGraph& method : model.methods()) {
      for_each_node(method.graph->block(), [&](Node* node) {
        if (node->kind() == prim::SetAttr)
          assigned_.emplace(model.instance_of(node->input(0)), node->s(attr::name));
      });
    }
  }

  c10::IValue constant_value(const Value* value) const {
    if (value->node()->kind() == prim::Constant) return toIValue(value).value_or(c10::IValue());
    if (value->node()->kind() != prim::GetAttr) return {};
    const int owner = model_.instance_of(value->node()->input(0));
    const bool assigned = assigned_.count({owner, value->node()->s(attr::name)}) != 0;
    return owner < 0 || assigned ? c10::IValue() : model_.attribute(value);
  }

  // A quantized model is for inference: dropout and the like are always off.
  bool is_training_off(const Value* value) const {
    if (value->node()->s(attr::name) != "training") return false;
    const c10::IValue training = constant_value(value);
    return training.isBool() && !training.toBool();
  }

  // The one floating-point dtype of all parameters.
  std::optional<at::ScalarType> float_type() const {
    std::optional<at::ScalarType> type;
    for (const at::Tensor& parameter : model_.instances()[0].module.parameters()) {
      if (!parameter.defined() || !parameter.is_floating_point()) continue;
      if (type && *type != parameter.scalar_type()) return std::nullopt;
      type = parameter.scalar_type();
    }
    return type;
  }

 private:
  const ModelGraphs& model_;
  std::set<std::pair<int, std::string>> assigned_;
};

}  // namespace

const std::vector<Fusion>& all_fusions() {
  // activation and residual in the order of the kernels' epilogue; shared_input before layer_norm, so that
  // several readers of a norm are one; static_output last: not with a residual or another reader.
  static const std::vector<Fusion> fusions = {
      {"activation", &fuse_gelu_relu},  {"residual", &fuse_residual},
      {"rotary", &fuse_rotary},         {"shared_input", &fuse_shared_input},
      {"layer_norm", &fuse_layer_norm}, {"static_output", &fuse_static_output},
  };
  return fusions;
}

std::vector<FusionCount> fuse(const Module& model, const std::vector<std::string>& names) {
  std::vector<FusionCount> counts;
  for (const Fusion& fusion : all_fusions()) {
    if (std::find(names.begin(), names.end(), fusion.name) != names.end()) counts.push_back({fusion.name, 0});
  }
  if (counts.empty()) return counts;
  const ModelGraphs graphs(model);
  const Attributes attributes(graphs);
  for (const int method : inline_root_methods(graphs)) {
    const std::shared_ptr<Graph>& graph = graphs.methods()[method].graph;
    simplify_inlined(graph, [&](const Value* value) { return attributes.is_training_off(value); });
    const auto constant_value = [&](const Value* value) { return attributes.constant_value(value); };
    for (const Fusion& fusion : all_fusions()) {
      for (FusionCount& count : counts) {
        if (count.name != fusion.name) continue;
        // A new one: nodes that write to memory may be gone.
        FusionGraph view(graph, constant_value, attributes.float_type());
        count.made += fusion.run(view);
      }
    }
    EliminateDeadCode(graph);
  }
  return counts;
}

}  // namespace vqt
