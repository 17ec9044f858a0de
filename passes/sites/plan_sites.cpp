// From the sites of a model to a plan that its kernels can carry out.
#include "passes/sites/plan_sites.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "vqt/quantize.h"

namespace vqt {
namespace {

// Deepest sums that always fit int32: u8 x s8 (255 * 128 * K), u8 x u8 (255 * 255 * K).
constexpr int64_t kDeepestSymmetric = 65793, kDeepestAsymmetric = 33025;

}  // namespace

std::vector<PlannedSite> plan_sites(const SiteTable& table, const QuantizationConfig& config) {
  std::vector<PlannedSite> plan = plan_schemes(table.infos(), config);
  for (size_t i = 0; i < plan.size(); ++i) {
    PlannedSite& p = plan[i];
    const int64_t k = table.sites[i].info.k;
    const int64_t deepest = p.scheme.symmetric ? kDeepestSymmetric : kDeepestAsymmetric;
    if (p.keep_float || p.scheme.bits != 8 || p.activation == ActivationMode::kNone || k <= deepest) continue;
    p.keep_float = true;
    p.reason =
        fmt::format("K = {} is too deep for int32 sums (at most {}); activation none would do", k, deepest);
  }
  return plan;
}

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
