#include "passes/calibration/speed_guard.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

namespace vqt {
namespace {

struct Sum {
  double ms_float = 0.0, ms_quantized = 0.0;
  bool slower() const { return ms_quantized > ms_float; }
};

// Milliseconds with three significant digits.
std::string ms_text(double ms) {
  const int decimals = ms >= 100.0 ? 0 : ms >= 10.0 ? 1 : ms >= 1.0 ? 2 : ms >= 0.1 ? 3 : 4;
  return fmt::format("{:.{}f} ms", ms, decimals);
}

std::string slower(const Sum& sum) {
  return fmt::format("slower than float here: {} against {}", ms_text(sum.ms_quantized),
                     ms_text(sum.ms_float));
}

}  // namespace

void keep_slower_float(const std::vector<SiteInfo>& sites, const std::vector<MeasuredSite>& measured,
                       std::vector<PlannedSite>& plan) {
  std::map<int64_t, Sum> tied;
  const auto takes_part = [&](size_t i) {
    return !plan[i].keep_float && !std::isnan(measured[i].ms_quantized);
  };
  for (size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].tied < 0 || !takes_part(i)) continue;
    Sum& sum = tied[sites[i].tied];
    sum.ms_float += measured[i].ms_float;
    sum.ms_quantized += measured[i].ms_quantized;
  }
  for (size_t i = 0; i < sites.size(); ++i) {
    if (plan[i].keep_float) continue;
    const bool shares = sites[i].tied >= 0;
    if (shares ? tied.count(sites[i].tied) == 0 : !takes_part(i)) continue;
    const Sum sum = shares ? tied[sites[i].tied] : Sum{measured[i].ms_float, measured[i].ms_quantized};
    if (!sum.slower()) continue;
    plan[i].keep_float = true;
    plan[i].reason = slower(sum) + (shares ? ", summed over all layers with its weight" : "");
  }
}

void keep_slower_attention(const std::vector<MeasuredSite>& measured, std::vector<AttentionSite>& sites) {
  for (size_t i = 0; i < sites.size(); ++i) {
    const Sum sum{measured[i].ms_float, measured[i].ms_quantized};
    if (sites[i].problem.empty() && sum.slower())
      sites[i].problem = slower(sum);  // NaN, not measured, is not slower
  }
}

}  // namespace vqt
