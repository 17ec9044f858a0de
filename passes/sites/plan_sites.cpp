#include "passes/sites/plan_sites.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "vqt/quantize.h"

namespace vqt {

std::string layout_for(const std::string& device, std::vector<std::string>& warnings) {
  if (device == "cpu") return "auto";
  warnings.push_back(
      fmt::format("device: \"{}\": this build has no CUDA kernels; weights are stored in the canonical "
                  "layout, which runs right on any "
                  "machine and which --repack makes fast on the one at hand",
                  device));
  return "canonical";
}

void require_work(const SiteTable& table, const std::vector<PlannedSite>& plan) {
  std::map<std::string, std::pair<int, std::string>> reasons;  // reason: how many, first name
  for (size_t i = 0; i < plan.size(); ++i) {
    if (!plan[i].keep_float) return;
    auto& [count, name] = reasons[plan[i].reason];
    if (count++ == 0) name = table.sites[i].info.name;
  }
  std::string message = "vqt::quantize: no linear is left to quantize";
  if (plan.empty() && table.computed.empty()) message += ": the model calls none whose weight is a parameter";
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
