#include "passes/sites/packed_keys.h"

#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include "passes/sites/plan_sites.h"

namespace vqt {

std::string packed_key(const Site& site, const Scheme& scheme, const std::string& layout) {
  return fmt::format("{} {} [{}, {}]: {} bits, {}, {}, groups of {}, {}", site.info.name,
                     c10::toString(site.weight.scalar_type()), site.form ? site.info.stored_n : site.info.n,
                     site.form ? site.info.stored_k : site.info.k, scheme.bits,
                     scheme.symmetric ? "symmetric" : "asymmetric", to_string(scheme.granularity),
                     scheme.group_size, layout);
}

std::set<std::string> packed_keys(const SiteTable& table, const std::vector<QuantizationConfig>& configs) {
  std::set<std::string> keys;
  for (const QuantizationConfig& config : configs) {
    std::vector<std::string>
        warnings;  // not shown here: quantizing with the config shows them, and its errors
    const std::string layout = layout_for(config.device, warnings);
    std::vector<PlannedSite> plan;
    try {
      plan = plan_schemes(table.infos(), config);
    } catch (const UsageError&) {
    }
    for (size_t i = 0; i < plan.size(); ++i) {
      if (!plan[i].keep_float) keys.insert(packed_key(table.sites[i], plan[i].scheme, layout));
    }
  }
  return keys;
}

}  // namespace vqt
