// The sites of a model and the layer table, without changing the model.
#include <memory>

#include "passes/ir/clone_module.h"
#include "passes/ir/inline_functions.h"
#include "passes/ir/products.h"
#include "passes/rewrite/refuse_if_quantized.h"
#include "passes/sites/find_attention.h"
#include "passes/sites/find_sites.h"
#include "passes/sites/site_rows.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

// A copy that is not run: types and graphs are new, tensors are those of the model.
struct Analysis {
  explicit Analysis(const Module& model) {
    refuse_other_tools(model);
    copy = clone_with_own_types(model, Buffers::kShare);
    inline_functions(ModelGraphs(copy));
    graphs = std::make_unique<ModelGraphs>(copy);
    products_to_linear(*graphs);
    table = find_sites(*graphs);
  }
  Module copy;
  std::unique_ptr<ModelGraphs> graphs;
  SiteTable table;
};

}  // namespace

std::vector<SiteInfo> list_sites(const Module& model) { return Analysis(model).table.infos(); }

std::vector<SiteReport> describe_sites(const Module& model, const QuantizationConfig* config) {
  const Analysis analysis(model);
  const bool planned = config != nullptr && !is_quantized(model);
  std::vector<SiteReport> rows =
      planned ? planned_rows(analysis.table, plan_schemes(analysis.table.infos(), *config), config->device)
              : present_rows(analysis.table);
  const std::vector<SiteReport> attention =
      planned ? planned_attention_rows(planned_attention(*analysis.graphs, *config), config->attention)
              : present_attention_rows(find_attention(*analysis.graphs));
  rows.insert(rows.end(), attention.begin(), attention.end());
  return rows;
}

}  // namespace vqt
