// Walks the inlined forward for the order of sites, then the methods that forward does not reach. Then the
// sites get their names and the reasons why some are not supported.
#include "passes/sites/find_sites.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <unordered_map>

#include "passes/sites/known_values.h"
#include "passes/sites/optional_inputs.h"
#include "passes/sites/site_names.h"
#include "passes/sites/unsupported.h"

namespace vqt {
namespace {

using namespace torch::jit;

class SiteFinder {
 public:
  explicit SiteFinder(const ModelGraphs& model) : model_(model), known_(model) {
    table_.fast_paths = find_fast_paths(model);
    known_int_ = [this](const Value* value) { return known_.integer(value); };
  }

  SiteTable run() {
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      const MethodGraph& method = model_.methods()[i];
      if (method.instance == 0 && method.name == "forward") walk_forward(static_cast<int>(i));
    }
    for (size_t i = 0; i < model_.methods().size(); ++i) add_unreached(static_cast<int>(i));
    describe_weights();
    name_sites(model_, table_);
    check_tensors(known_.constants(), table_);
    check_uses(model_, table_);
    number_tied(table_);
    return std::move(table_);
  }

 private:
  void walk_forward(int method) {
    OnlyIfGiven arguments;
    for (const Value* input : model_.methods()[method].graph->inputs()) {
      arguments.push_back(input->type()->kind() == c10::TypeKind::OptionalType);
    }
    walk_method(method, arguments, false);
  }

  const Graph& graph_of(int method) const { return *model_.methods()[method].graph; }

  void walk_method(int method, const OnlyIfGiven& arguments, bool optional) {
    walk(model_.methods()[method].graph->block(), method, arguments, optional);
  }

  void walk(Block* block, int method, const OnlyIfGiven& arguments, bool optional) {
    for (Node* node : block->nodes()) {
      if (is_any_linear(node)) {
        if (Site* site = site_of(node, method)) {
          ++site->info.calls;
          site->info.optional_only = site->info.optional_only && optional;
        }
      } else if (node->kind() == prim::If) {
        const auto taken = known_.decided(node->input(0));
        for (size_t i = 0; i < 2; ++i) {
          if (taken && *taken != (i == 0)) continue;  // a branch that this instance never takes
          walk(node->blocks()[i], method, arguments,
               optional || needs_optional(node->input(0), i == 0, graph_of(method), arguments));
        }
      } else if (const int callee = model_.callee_of(node); callee >= 0) {
        OnlyIfGiven passed;
        for (const Value* input : node->inputs())
          passed.push_back(only_if_given(input, graph_of(method), arguments));
        walk_method(callee, passed, optional);
      } else {
        for (Block* inner : node->blocks()) walk(inner, method, arguments, optional);
        if (node->hasAttribute(attr::Subgraph)) walk(node->g(attr::Subgraph)->block(), method, {}, optional);
      }
    }
  }

  void add_unreached(int method) {
    for_each_node(model_.methods()[method].graph->block(), [&](Node* node) {
      if (is_any_linear(node)) site_of(node, method);
    });
  }

  // The site that a linear belongs to, made at its first call. Null where its weight is not a parameter.
  Site* site_of(Node* linear, int method) {
    const auto known = site_by_node_.find(linear);
    if (known != site_by_node_.end()) return known->second < 0 ? nullptr : &table_.sites[known->second];
    int& index = site_by_node_[linear];
    index = -1;
    Value* root = weight_root(linear->input(1));
    const Node* source = root->node();
    Site fresh;
    fresh.quantized = is_quantized_linear(linear);
    if (source->kind() == prim::GetAttr) {
      fresh.owner = model_.instance_of(source->input(0));
      fresh.attribute = source->s(attr::name);
      const c10::IValue constant = model_.attribute(root);
      if (constant.isTensor()) fresh.weight = constant.toTensor();
      if (fresh.owner >= 0 && constant.isNone())
        return nullptr;  // the weights that this nn.MultiheadAttention does not have: cannot run
    } else if (source->kind() == prim::Constant) {
      const auto constant = toIValue(root);
      if (constant && constant->isTensor()) fresh.weight = constant->toTensor();
      if (constant && constant->isNone()) return nullptr;
    } else if (source->kind() == prim::Uninitialized) {
      return nullptr;  // the compiler's value after a failed assertion
    }
    if (!fresh.weight.defined()) {
      add_computed(linear, *root, method);
      return nullptr;
    }
    const std::string key =
        fresh.owner < 0 ? tensor_identity(fresh.weight) : fmt::format("{}.{}", fresh.owner, fresh.attribute);
    const auto [at, added] = site_by_key_.emplace(key, static_cast<int>(table_.sites.size()));
    if (added) {
      fresh.info.optional_only = true;
      table_.sites.push_back(std::move(fresh));
    }
    index = at->second;
    Site& site = table_.sites[index];
    SiteCall call{linear, root, method, {}};
    if (site.quantized) {
      site.calls.push_back(call);
    } else {
      std::string problem;
      const int64_t n = site.weight.dim() > 0 ? site.weight.size(0) : 0;
      const auto rows = rows_of(linear->input(1), root, n, known_int_, problem);
      if (rows) {
        call.rows = *rows;
        site.calls.push_back(call);
      } else {
        mark_unsupported(site, fmt::format("a linear in {} reads it {}",
                                           model_.describe(model_.methods()[method]), problem));
      }
    }
    if (std::find(site.methods.begin(), site.methods.end(), method) == site.methods.end())
      site.methods.push_back(method);
    return &site;
  }

  void add_computed(const Node* linear, const Value& root, int method) {
    const MethodGraph& where = model_.methods()[method];
    if (root.node() == where.graph->block()->param_node()) {
      // A weight that is an argument: calls inside the model that pass a parameter were inlined.
      if (where.instance != 0) return;
    }
    const std::string kind = linear->input(1)->node()->kind().toQualString();
    table_.computed.push_back(
        {model_.instances()[where.instance].fqn,
         fmt::format("the weight of a linear in {} is not a parameter (it comes from {})",
                     model_.describe(where), kind == "prim::Param" ? "an argument" : kind)});
  }

  void describe_weights() {
    for (Site& site : table_.sites) {
      if (site.info.calls == 0) site.info.optional_only = false;
      if (site.quantized) continue;
      site.info.weight_bytes = static_cast<int64_t>(site.weight.numel() * site.weight.element_size());
      if (site.weight.dim() != 2) continue;
      site.info.n = site.weight.size(0);
      site.info.k = site.weight.size(1);
    }
  }

  const ModelGraphs& model_;
  SiteTable table_;
  const KnownValues known_;
  KnownInt known_int_;
  std::unordered_map<const Node*, int> site_by_node_;
  std::unordered_map<std::string, int> site_by_key_;
};

}  // namespace

std::vector<SiteInfo> SiteTable::infos() const {
  std::vector<SiteInfo> infos;
  for (const Site& site : sites) infos.push_back(site.info);
  return infos;
}

SiteTable find_sites(const ModelGraphs& model) { return SiteFinder(model).run(); }

}  // namespace vqt
