#include "passes/sites/plan_sites.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "vqt/quantize.h"

namespace vqt {
namespace {

int count_convolutions(const ModelGraphs& model) {
  int count = 0;
  for (const MethodGraph& method : model.methods()) {
    for_each_node(method.graph->block(), [&](torch::jit::Node* node) {
      const std::string name = node->kind().toQualString();
      count += name.rfind("aten::conv", 0) == 0 || name == "aten::_convolution";
    });
  }
  return count;
}

}  // namespace

std::string layout_for(const std::string& device, std::vector<std::string>& warnings) {
  const std::string warning = layout_warning(device);
  if (warning.empty()) return "auto";
  warnings.push_back(warning);
  return "canonical";
}

std::string layout_warning(const std::string& device) {
  if (device == "cpu") return "";
  return fmt::format(
      "device: \"{}\": this build has no CUDA kernels; weights are stored in the canonical layout, which every "
      "machine can run; a repack (vqt.repack, vqt-quantize --repack) lays them out for this machine's kernels",
      device);
}

void warn_of_slow(const SiteTable& table, const std::vector<PlannedSite>& plan,
                  std::vector<std::string>& warnings) {
  int64_t slow = 0;
  size_t first = 0;
  for (size_t i = plan.size(); i-- > 0;) {
    if (plan[i].keep_float || plan[i].slow.empty()) continue;
    ++slow;
    first = i;
  }
  if (slow == 0) return;
  warnings.push_back(fmt::format(
      "{} of {} layers run on the reference kernel, many times slower than in floating point: {}; first: {}",
      slow, plan.size(), plan[first].slow, table.sites[first].info.name));
}

void require_work(const ModelGraphs& model, const SiteTable& table, const std::vector<PlannedSite>& plan,
                  const std::vector<AttentionSite>& attention) {
  std::map<std::string, std::pair<int, std::string>> reasons;  // reason: how many, first name
  for (const AttentionSite& site : attention) {
    if (site.integer) continue;  // a model may call vqt::attention itself
    if (site.problem.empty()) return;
    auto& [count, name] = reasons[site.problem];
    if (count++ == 0) name = site.name;
  }
  for (size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].keep_float) return;
    auto& [count, name] = reasons[plan[i].reason];
    if (count++ == 0) name = table.sites[i].info.name;
  }
  const bool only_convolutions = std::all_of(table.sites.begin(), table.sites.end(), [](const Site& site) {
    return site.info.kind == SiteKind::kConvolution;
  });
  std::string message = "vqt::quantize: no Linear layer to quantize";
  if (only_convolutions && table.computed.empty()) {
    const int convolutions = plan.empty() ? count_convolutions(model) : static_cast<int>(plan.size());
    message += convolutions == 0
                   ? ": no product of the model reads a parameter"
                   : fmt::format(
                         ": the model is a CNN ({} convolution{}, no product that reads a "
                         "parameter); vqt quantizes 2D convolutions with convolutions: \"int8\"",
                         convolutions, convolutions == 1 ? "" : "s");
  }
  for (const auto& [reason, where] : reasons) {
    message += fmt::format("\n  {}{}: {}", where.second,
                           where.first > 1 ? fmt::format(" and {} more", where.first - 1) : "", reason);
  }
  for (const ComputedLinear& computed : table.computed) {
    message +=
        fmt::format("\n  {}: {}", computed.name.empty() ? "the model" : computed.name, computed.reason);
  }
  throw Error(message);
}

void note_lost_names(const SiteTable& table, std::vector<std::string>& warnings) {
  const auto frozen = std::count_if(table.sites.begin(), table.sites.end(),
                                    [](const Site& site) { return site.owner < 0 && !site.quantized; });
  if (frozen == 0) return;
  warnings.push_back(fmt::format(
      "the module is frozen: {} layers have lost their names and are called frozen.0, frozen.1, ... in the "
      "order they run; quantize the module before torch.jit.freeze to keep them",
      frozen));
}

}  // namespace vqt
