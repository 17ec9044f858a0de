// The order of the passes, and why.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>

#include "passes/calibration/measure_sites.h"
#include "passes/calibration/observe_activations.h"
#include "passes/calibration/speed_guard.h"
#include "passes/fusion/fuse.h"
#include "passes/ir/clone_module.h"
#include "passes/ir/inline_functions.h"
#include "passes/ir/products.h"
#include "passes/ir/share_types.h"
#include "passes/ir/torch_modules.h"
#include "passes/rewrite/quantize_linears.h"
#include "passes/rewrite/ranges_as_attributes.h"
#include "passes/rewrite/refuse_if_quantized.h"
#include "passes/rewrite/rewrite_attention.h"
#include "passes/sites/find_attention.h"
#include "passes/sites/find_sites.h"
#include "passes/sites/plan_sites.h"
#include "passes/sites/site_rows.h"
#include "vqt/quantize.h"

namespace vqt {

torch::jit::Module quantize(torch::jit::Module model, const QuantizationConfig& config, Report& report,
                            const QuantizeOptions& options) {
  const at::NoGradGuard no_grad;
  validate(config);
  refuse_if_quantized(model);
  if (options.speed_guard && !options.measure) {
    throw Error(
        "vqt::quantize: speed_guard: needs an input to measure the layers on, got none; pass one (Python: inputs=, "
        "C++: QuantizeOptions::measure)");
  }
  report = Report();
  report.config = config;
  const std::string layout = layout_for(config.device, report.warnings);

  // Before any edit: Linear layers of one class share a type, and so would share a scheme.
  torch::jit::Module result = clone_with_own_types(model);
  model = torch::jit::Module();  // the clone has the same parameters; from here on each can be freed alone
  // Before find_sites: in a function with several callers it is not known whose weight a linear reads.
  inline_functions(ModelGraphs(result));
  const ModelGraphs graphs(result);
  // Before find_sites, which knows no other product than aten::linear.
  products_to_linear(graphs);
  SiteTable table = find_sites(graphs);  // in execution order, for skip_first_last
  note_lost_names(table, report.warnings);
  // Pure: all errors of the config show before a weight is read.
  std::vector<PlannedSite> plan = plan_schemes(table.infos(), config);
  std::vector<AttentionSite> attention = planned_attention(graphs, config);
  require_work(graphs, table, plan, attention);

  // Before anything runs: a native fast path would run in place of the linears.
  if (cut_planned_fast_paths(graphs, table, plan, attention)) {
    table = find_sites(graphs);
    attention = planned_attention(graphs, config);
  }
  // On the float model. Sites that calibration does not reach are kept in floating point.
  const auto ranges = observe_activations(result, table, config, options, plan, report.warnings);
  require_work(graphs, table, plan, attention);
  // Before the float weights are replaced.
  const Measurements measured = measure_sites(result, table, plan, ranges, attention, layout, options);
  if (options.speed_guard) {
    keep_slower_float(table.infos(), measured.linears, plan);
    keep_slower_attention(measured.attention, attention);
    require_work(graphs, table, plan, attention);
  }
  warn_of_slow(table, plan, report.warnings);
  report.sites = planned_rows(table, plan, config.device);
  add_measured(measured.linears, 0, report.sites);
  const std::vector<SiteReport> attention_rows = planned_attention_rows(attention, config.attention);
  report.sites.insert(report.sites.end(), attention_rows.begin(), attention_rows.end());
  add_measured(measured.attention, report.sites.size() - attention.size(), report.sites);
  // Before the linears: they remove nodes that nothing reads.
  rewrite_attention(attention, config.attention);
  quantize_linears(graphs, table, plan, ranges, layout, options, report);
  clean_up_attention(graphs, attention);
  note_left_weights(graphs, table, report.warnings);
  simplify_attention(graphs);
  // Fusions apply to quantized linears, and inline into the root's graphs.
  report.fusions_made = fuse(result, chosen_fusions(config));
  if (!report.fusions_made.empty()) update_calls(find_sites(ModelGraphs(result)), report.sites);
  ranges_as_attributes(ModelGraphs(result));  // fusions read constants
  share_types(result);                        // last: no pass can tell instances of one type apart
  return result;
}

int64_t repack(torch::jit::Module& model, Report& report) {
  const int64_t changed = repack(model);
  const std::vector<SiteReport> now = describe_sites(model);
  if (report.sites.empty()) report.sites = now;
  std::map<std::pair<std::string, std::string>, int64_t> bytes;
  for (const SiteReport& site : now) bytes[{site.kind, site.name}] = site.bytes_after;
  for (SiteReport& site : report.sites) {
    const auto found = bytes.find({site.kind, site.name});
    if (found != bytes.end() && site.action == "quantized") site.bytes_after = found->second;
  }
  auto& warnings = report.warnings;
  warnings.erase(std::remove(warnings.begin(), warnings.end(), layout_warning(report.config.device)),
                 warnings.end());
  return changed;
}

}  // namespace vqt
