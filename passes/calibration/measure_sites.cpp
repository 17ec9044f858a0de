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
  std::vector<c10::IValue> arguments;
  const bool given = options.measure && options.measure(arguments);
  QuantizeOptions same = options;  // both measure on the same input
  same.measure = nullptr;
  if (given) {
    same.measure = [&](std::vector<c10::IValue>& copy) {
      copy = arguments;
      return true;
    };
  }
  Measurements measured{measure_linears(model, table, plan, ranges, layout, same),
                        std::vector<MeasuredSite>(attention.size())};
  if (!given || attention.empty()) return measured;
  int64_t done = 0;
  const int64_t total = std::count_if(attention.begin(), attention.end(),
                                      [](const AttentionSite& site) { return site.problem.empty(); });
  WatchedModel watched(model);
  const MeasuredOne measured_one = [&] {  // lives until the model has run
    if (options.progress) options.progress("measuring attention", ++done, total);
  };
  watch_attention(watched, attention, measured_one, measured.attention);
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
