// The order of the passes, and why.
#include <ATen/core/grad_mode.h>

#include "clone_module.h"
#include "find_sites.h"
#include "inline_functions.h"
#include "observe_activations.h"
#include "plan_sites.h"
#include "quantize_linears.h"
#include "refuse_if_quantized.h"
#include "site_rows.h"
#include "vqt/quantize.h"

namespace vqt {

torch::jit::Module quantize(torch::jit::Module model, const QuantizationConfig& config, Report& report,
                            const QuantizeOptions& options) {
  validate(config);
  refuse_if_quantized(model);
  const at::NoGradGuard no_grad;
  torch::jit::Module result = clone_with_own_types(
      model);                    // before any edit: sibling Linears share a type, and so would share a scheme
  model = torch::jit::Module();  // the clone holds its parameters; from here on they can go one by one
  inline_functions(
      ModelGraphs(result));  // before sites are looked for: a shared function hides whose weight it gets
  const ModelGraphs graphs(result);
  SiteTable table = find_sites(graphs);  // in execution order: skip_first_last counts on it
  std::vector<PlannedSite> plan =
      plan_sites(table, config);  // pure: all config errors surface before a weight is touched
  require_work(table, plan);
  const std::vector<ActivationRange> ranges =
      observe_activations(result, table, config, options, plan,
                          report.warnings);  // on the float model; may leave unreached sites float
  require_work(table, plan);
  report.config = config;
  report.sites = planned_rows(table, plan, config.device);
  quantize_linears(graphs, table, plan, ranges, "auto", options.progress, report.sites);
  return result;
}

}  // namespace vqt
