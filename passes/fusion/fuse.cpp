// Inline, simplify, fuse: on the root's methods only, so that submodules still run on their own.
#include "passes/fusion/fuse.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <optional>

#include "passes/fusion/fusions.h"
#include "passes/fusion/inline_root.h"
#include "passes/ir/constant_values.h"
#include "passes/ir/model_graph.h"
#include "passes/ir/simplify_inlined.h"
#include "passes/ir/torch_modules.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The one floating-point dtype of all parameters.
std::optional<at::ScalarType> float_type_of(const Module& model) {
  std::optional<at::ScalarType> type;
  for (const at::Tensor& parameter : model.parameters()) {
    if (!parameter.defined() || !parameter.is_floating_point()) continue;
    if (type && *type != parameter.scalar_type()) return std::nullopt;
    type = parameter.scalar_type();
  }
  return type;
}

// What an attribute always is: also a bool of any module that no method assigns to, as `inplace` of timm's
// LayerScale. `training` is known where it is off.
std::optional<c10::IValue> constant_attribute(const ConstantValues& constants, const Value* get_attr) {
  if (auto known = known_attribute(constants, get_attr)) return known;
  const c10::IValue value = constants.of(get_attr);
  const bool folded = value.isBool() && get_attr->node()->s(attr::name) != "training";
  return folded ? std::optional<c10::IValue>(value) : std::nullopt;
}

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
  const ConstantValues constants(graphs);
  for (const int method : inline_root_methods(graphs)) {
    const std::shared_ptr<Graph>& graph = graphs.methods()[method].graph;
    simplify_inlined(graph, [&](const Value* value) { return constant_attribute(constants, value); });
    const auto constant_value = [&](const Value* value) { return constants.of(value); };
    for (const Fusion& fusion : all_fusions()) {
      for (FusionCount& count : counts) {
        if (count.name != fusion.name) continue;
        // A new one: nodes that write to memory may be gone.
        FusionGraph view(graph, constant_value, float_type_of(model));
        count.made += fusion.run(view);
      }
    }
    EliminateDeadCode(graph);
  }
  return counts;
}

}  // namespace vqt
