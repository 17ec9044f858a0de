// What a model holds, without changing it: sites, the table of sites, whether it is quantized.
#include <torch/csrc/jit/api/function_impl.h>

#include <set>

#include "passes/ir/clone_module.h"
#include "passes/ir/inline_functions.h"
#include "passes/rewrite/refuse_if_quantized.h"
#include "passes/sites/find_sites.h"
#include "passes/sites/site_rows.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

class QuantizedSearch {
 public:
  bool in_module(const Module& root) {
    for (const Module& module : root.modules()) {
      if (!types_.insert(module.type().get()).second) continue;
      for (Function* method : module.type()->methods()) {
        if (in_function(*method)) return true;
      }
    }
    return false;
  }

 private:
  bool in_function(Function& function) {
    GraphFunction* graph_function = tryToGraphFunction(function);
    if (graph_function == nullptr || !functions_.insert(&function).second) return false;
    function.ensure_defined();
    bool found = false;
    for_each_node(graph_function->graph()->block(), [&](Node* node) {
      found = found || is_quantized_linear(node);
      if (found || node->kind() != prim::CallFunction) return;
      if (const auto type = node->input(0)->type()->cast<c10::FunctionType>())
        found = in_function(*type->function());
    });
    return found;
  }

  std::set<const c10::Type*> types_;
  std::set<const Function*> functions_;
};

// Analysis on a copy that nobody runs: types and graphs are new, tensors are the model's own.
struct Analysis {
  explicit Analysis(const Module& model) : copy(clone_with_own_types(model, Buffers::kShare)) {
    inline_functions(ModelGraphs(copy));
    graphs = std::make_unique<ModelGraphs>(copy);
    table = find_sites(*graphs);
  }
  Module copy;
  std::unique_ptr<ModelGraphs> graphs;
  SiteTable table;
};

}  // namespace

bool is_quantized(const Module& model) { return QuantizedSearch().in_module(model); }

void refuse_if_quantized(const Module& model) {
  if (!is_quantized(model)) return;
  throw Error(
      "vqt::quantize: the model is already quantized (it calls vqt::linear_*); quantize the float model it "
      "was made from");
}

std::vector<SiteInfo> list_sites(const Module& model) { return Analysis(model).table.infos(); }

std::vector<SiteReport> describe_sites(const Module& model, const QuantizationConfig* config) {
  const Analysis analysis(model);
  if (config == nullptr || is_quantized(model)) return present_rows(analysis.table);
  return planned_rows(analysis.table, plan_schemes(analysis.table.infos(), *config), config->device);
}

}  // namespace vqt
