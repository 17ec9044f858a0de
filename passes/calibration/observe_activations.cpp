// The observers are in a copy: a method that has run keeps its compiled graph, and the result must not have
// any.
#include "passes/calibration/observe_activations.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <limits>

#include "passes/ir/clone_module.h"
#include "vqt/error_text.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

using namespace torch::jit;

constexpr float kInf = std::numeric_limits<float>::infinity();

bool is_static(const PlannedSite& plan) {
  return !plan.keep_float && plan.activation == ActivationMode::kStatic;
}

Value* own_self(Graph& graph) { return graph.inputs()[0]; }

// Adds observers for the static sites of a copy with the same sites. Returns one statistics tensor per site.
std::vector<at::Tensor> add_observers(const ModelGraphs& graphs, const SiteTable& table,
                                      const std::vector<PlannedSite>& plan) {
  std::vector<at::Tensor> statistics(plan.size());
  for (size_t i = 0; i < plan.size(); ++i) {
    if (!is_static(plan[i])) continue;
    statistics[i] = at::tensor({kInf, -kInf, 0.0f, 0.0f}, at::kFloat);
    const std::string attribute = fmt::format("vqt_statistics_{}", i);
    for (const SiteCall& call : table.sites[i].calls) {
      const MethodGraph& method = graphs.methods()[call.method];
      if (call.linear->owningGraph() != method.graph.get())
        continue;  // inside a fork: no self that could have them
      Module owner = graphs.instances()[method.instance].module;
      if (!owner.hasattr(attribute))
        owner.register_attribute(attribute, c10::TensorType::get(), statistics[i]);
      insert_observer(call.linear, attribute);
    }
  }
  return statistics;
}

}  // namespace

void insert_observer(Node* linear, const std::string& attribute) {
  Graph& graph = *linear->owningGraph();
  const WithInsertPoint guard(linear);
  Value* statistics = graph.insertGetAttr(own_self(graph), attribute);
  static const Symbol kObserve = Symbol::fromQualString("vqt::observe");
  Node* node = graph.create(kObserve, {linear->input(0), statistics, graph.insertConstant("minmax")}, 0);
  graph.insertNode(node);
}

ActivationRange range_of(float min, float max, bool symmetric) {
  const auto [scale, zero] =
      choose_qparams(at::tensor({min, max}, at::kFloat), 8, symmetric, "per_tensor", 0);
  return {scale.item<double>(), symmetric ? 0 : zero.item<int64_t>()};
}

std::vector<ActivationRange> observe_activations(const Module& model, const SiteTable& table,
                                                 const QuantizationConfig& config,
                                                 const QuantizeOptions& options,
                                                 std::vector<PlannedSite>& plan,
                                                 std::vector<std::string>& warnings) {
  std::vector<ActivationRange> ranges(plan.size());
  bool any = false;
  for (const PlannedSite& p : plan) any = any || is_static(p);
  if (!any) return ranges;
  if (!options.calibration) {
    throw Error(
        "vqt::quantize: activation: \"static\" needs calibration inputs, got none; pass some (Python: calibration=, "
        "C++: QuantizeOptions::calibration), or use \"dynamic\"");
  }
  Module observed = clone_with_own_types(model);
  const ModelGraphs graphs(observed);
  const SiteTable copy = find_sites(graphs);
  TORCH_INTERNAL_ASSERT(copy.sites.size() == table.sites.size(), "the observed copy has other sites");
  const std::vector<at::Tensor> statistics = add_observers(graphs, copy, plan);

  const at::NoGradGuard no_grad;
  int64_t runs = 0;
  std::vector<c10::IValue> arguments;
  while (runs < config.calibration_samples && options.calibration(arguments)) {
    try {
      observed.forward(std::move(arguments));
    } catch (const std::exception& e) {
      throw Error(fmt::format("vqt::quantize: calibration[{}]: the model's forward fails on it: {}", runs,
                              error_text(e)));
    }
    arguments.clear();
    ++runs;
    if (options.progress) options.progress("calibrating", runs, 0);
  }
  if (runs == 0) throw Error("vqt::quantize: calibration: expected at least one input, got none");

  for (size_t i = 0; i < plan.size(); ++i) {
    if (!is_static(plan[i])) continue;
    const SiteInfo& site = table.sites[i].info;
    const float min = statistics[i][0].item<float>(), max = statistics[i][1].item<float>();
    if (statistics[i][3].item<float>() > 0) {
      throw Error(
          fmt::format("{}: calibration: its input has NaN or Inf: no range can be computed", site.name));
    }
    if (statistics[i][2].item<float>() > 0) {
      ranges[i] = range_of(min, max, plan[i].activation_symmetric);
      continue;
    }
    if (!site.optional_only && site.calls > 0) {
      throw Error(fmt::format(
          "{}: calibration: none of the {} inputs reached it, so it has no range; use other inputs, or "
          "\"ignore\" it",
          site.name, runs));
    }
    plan[i].keep_float = true;
    plan[i].reason = site.calls == 0
                         ? "calibration did not reach it: forward does not call it"
                         : "calibration did not reach it: it runs only when an optional input is given";
    warnings.push_back(fmt::format("{}: {}", site.name, plan[i].reason));
    for (size_t other = 0; other < plan.size(); ++other) {
      if (site.tied < 0 || table.sites[other].info.tied != site.tied || plan[other].keep_float) continue;
      plan[other].keep_float = true;
      plan[other].reason = "tied to " + site.name + ", which calibration did not reach";
    }
  }
  return ranges;
}

}  // namespace vqt
