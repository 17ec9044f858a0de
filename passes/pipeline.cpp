// The order of the passes, and why.
#include <ATen/core/grad_mode.h>

#include "passes/calibration/measure_linears.h"
#include "passes/calibration/observe_activations.h"
#include "passes/calibration/speed_guard.h"
#include "passes/fusion/fuse.h"
#include "passes/ir/clone_module.h"
#include "passes/ir/inline_functions.h"
#include "passes/rewrite/quantize_linears.h"
#include "passes/rewrite/refuse_if_quantized.h"
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
        "vqt::quantize: speed_guard: needs an input to measure the linears on, got none; pass --inputs FILE "
        "(in code: QuantizeOptions::measure)");
  }
  report = Report();
  report.config = config;
  const std::string layout = layout_for(config.device, report.warnings);

  // Before any edit: sibling Linears share a type, and so would share a scheme.
  torch::jit::Module result = clone_with_own_types(model);
  model = torch::jit::Module();  // the clone holds the same parameters; from here on they can go one by one
  // Before sites are looked for: a shared function hides whose weight it gets.
  inline_functions(ModelGraphs(result));
  const ModelGraphs graphs(result);
  SiteTable table = find_sites(graphs);  // in execution order: skip_first_last counts on it
  // Pure: all config errors surface before a weight is touched.
  std::vector<PlannedSite> plan = plan_schemes(table.infos(), config);
  require_work(table, plan);

  // Before anything runs: behind a native fast path the linears would see no activation.
  if (cut_planned_fast_paths(graphs, table, plan)) table = find_sites(graphs);
  // On the float model. Sites that calibration cannot reach stay float.
  const auto ranges = observe_activations(result, table, config, options, plan, report.warnings);
  require_work(table, plan);
  // While the float weights are still there.
  const auto measured = measure_linears(result, table, plan, ranges, layout, options);
  if (options.speed_guard) {
    keep_slower_float(table.infos(), measured, plan);
    require_work(table, plan);
  }
  report.sites = planned_rows(table, plan, config.device);
  add_measured(measured, report.sites);
  quantize_linears(graphs, table, plan, ranges, layout, options, report);
  note_left_weights(graphs, table, report.warnings);
  // Last, on what the linears have become; it makes graphs of its own out of the root's.
  report.fusions_made = fuse(result, chosen_fusions(config));
  if (!report.fusions_made.empty()) update_calls(find_sites(ModelGraphs(result)), report.sites);
  return result;
}

}  // namespace vqt
