#include "passes/sites/plan_sites.h"

#include <fmt/format.h>

#include <map>

#include "vqt/quantize.h"

namespace vqt {

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
      "machine can run; --repack repacks them for this machine's kernels",
      device);
}

void require_work(const SiteTable& table, const std::vector<PlannedSite>& plan) {
  std::map<std::string, std::pair<int, std::string>> reasons;  // reason: how many, first name
  for (size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].keep_float) return;
    auto& [count, name] = reasons[plan[i].reason];
    if (count++ == 0) name = table.sites[i].info.name;
  }
  std::string message = "vqt::quantize: no Linear layer to quantize";
  if (plan.empty() && table.computed.empty()) {
    message +=
        ": no aten::linear call uses a parameter as its weight (convolutions only, already quantized, or "
        "passed through optimize_for_inference?)";
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

}  // namespace vqt
