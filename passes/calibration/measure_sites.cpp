#include "passes/calibration/measure_sites.h"

#include <algorithm>

#include "passes/calibration/measure_attention.h"
#include "passes/calibration/measure_linears.h"
#include "passes/calibration/watched_model.h"

namespace vqt {

Measurements measure_sites(const torch::jit::Module& model, const SiteTable& table,
                           const std::vector<PlannedSite>& plan, const std::vector<ActivationRange>& ranges,
                           const std::vector<AttentionSite>& attention, const std::string& layout,
                           const QuantizeOptions& options) {
  Measurements measured{std::vector<MeasuredSite>(plan.size()), std::vector<MeasuredSite>(attention.size())};
  std::vector<c10::IValue> arguments;
  if (!options.measure || !options.measure(arguments)) return measured;
  WatchedModel watched(model);
  // Both before the graphs change.
  const SiteTable sites = find_sites(watched.graphs());
  const std::vector<AttentionSite> copies = attention.empty() ? attention : find_attention(watched.graphs());
  const int64_t total =
      std::count_if(plan.begin(), plan.end(), [](const PlannedSite& site) { return !site.keep_float; }) +
      std::count_if(attention.begin(), attention.end(),
                    [](const AttentionSite& site) { return site.problem.empty(); });
  int64_t done = 0;
  const MeasuredOne measured_one = [&] {  // lives until the model has run
    if (options.progress) options.progress("measuring", ++done, total);
  };
  const LinearPlans plans = {table, plan, ranges, layout};
  watch_linears(watched, sites, plans, measured_one, measured.linears);
  watch_attention(watched, copies, attention, measured_one, measured.attention);
  watched.run(std::move(arguments));
  return measured;
}

void add_measured(const std::vector<MeasuredSite>& measured, size_t first, std::vector<SiteReport>& rows) {
  for (size_t i = 0; i < measured.size(); ++i) {
    SiteReport& row = rows.at(first + i);
    row.output_sqnr_db = measured[i].output_sqnr_db;
    row.ms_float = measured[i].ms_float;
    row.ms_quantized = measured[i].ms_quantized;
  }
}

}  // namespace vqt
