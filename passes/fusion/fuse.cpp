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

// The method whose fusions count; empty: the root has no forward, and each of its methods may be what is called.
std::string counted_method(const ModelGraphs& graphs) {
  for (const int method : graphs.instances()[0].methods) {
    if (graphs.methods()[method].name == "forward") return "forward";
  }
  return "";
}

void count_at_least(const OutcomeCounts& outcomes, FusionCount& count) {
  for (const auto& [outcome, number] : outcomes) {
    int64_t& counted = outcome == kMade ? count.made : count.left[outcome];
    counted = std::max(counted, number);
  }
}

}  // namespace

const std::vector<Fusion>& all_fusions() {
  // activation and residual in the order of the kernels' epilogue; rotary makes what attention_prologue takes;
  // shared_input before layer_norm, so that several readers of a norm are one; static_output after them: not
  // with a residual or another reader. convolution before resize: a resized map that is added is none that a
  // convolution reads.
  static const std::vector<Fusion> fusions = {
      {"activation", &fuse_gelu_relu},
      {"residual", &fuse_residual},
      {"rotary", &fuse_rotary},
      {"attention_prologue", &fuse_attention_prologue},
      {"shared_input", &fuse_shared_input},
      {"layer_norm", &fuse_layer_norm},
      {"static_output", &fuse_static_output},
      {"convolution", &fuse_convolution},
      {"resize", &fuse_resize},
  };
  return fusions;
}

std::vector<FusionCount> fuse(const Module& model, const std::vector<std::string>& names) {
  std::vector<FusionCount> counts;
  for (const Fusion& fusion : all_fusions()) {
    if (std::find(names.begin(), names.end(), fusion.name) != names.end())
      counts.push_back({fusion.name, 0, {}});
  }
  if (counts.empty()) return counts;
  const ModelGraphs graphs(model);
  const ConstantValues constants(graphs);
  const std::string counted = counted_method(graphs);
  for (const int index : inline_root_methods(graphs)) {
    const MethodGraph& method = graphs.methods()[index];
    const std::shared_ptr<Graph>& graph = method.graph;
    const bool counts_here = counted.empty() || method.name == counted;
    simplify_inlined(graph, [&](const Value* value) { return constant_attribute(constants, value); });
    const auto constant_value = [&](const Value* value) { return constants.of(value); };
    for (const Fusion& fusion : all_fusions()) {
      for (FusionCount& count : counts) {
        if (count.name != fusion.name) continue;
        // A new one: nodes that write to memory may be gone.
        FusionGraph view(graph, constant_value, float_type_of(model));
        const FusionResult result = fusion.run(view);
        // Now: later fusions may remove blocks.
        if (counts_here) count_at_least(result.once(graph->block()), count);
      }
    }
    EliminateDeadCode(graph);
  }
  return counts;
}

}  // namespace vqt
