// Walks the inlined forward for the order of sites, then the methods that forward does not reach. Then the
// sites get their names and the reasons why some are not supported.
#include "passes/sites/find_sites.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "passes/ir/convolutions.h"
#include "passes/ir/products.h"
#include "passes/sites/known_values.h"
#include "passes/sites/optional_inputs.h"
#include "passes/sites/site_names.h"
#include "passes/sites/unsupported.h"

namespace vqt {
namespace {

using namespace torch::jit;

class SiteFinder {
 public:
  explicit SiteFinder(const ModelGraphs& model)
      : model_(model), known_(model), expressions_(model, known_.constants()) {
    table_.fast_paths = find_fast_paths(model);
    known_int_ = [this](const Value* value) { return known_.integer(value); };
  }

  SiteTable run() {
    find_unreached();
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      const MethodGraph& method = model_.methods()[i];
      if (method.instance == 0 && method.name == "forward") walk_forward(static_cast<int>(i));
    }
    for (const bool reached : {true, false}) {
      for (size_t i = 0; i < model_.methods().size(); ++i) {
        const auto method = static_cast<int>(i);
        if (reached != (table_.unreached.count(method) != 0)) add_all(method);
      }
    }
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
      if (Site* site = site_of(node, method)) {
        ++site->info.calls;
        site->info.optional_only = site->info.optional_only && optional;
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

  // The sites of a method, whether or not forward calls it.
  void add_all(int method) {
    for_each_node(model_.methods()[method].graph->block(), [&](Node* node) { site_of(node, method); });
  }

  // The site that a linear, a convolution or a product belongs to, made at its first call. Null for other nodes, and where the
  // weight is neither a parameter nor computed from some.
  Site* site_of(Node* node, int method) {
    const auto known = site_by_node_.find(node);
    if (known != site_by_node_.end()) return known->second < 0 ? nullptr : &table_.sites[known->second];
    const bool convolution = is_float_convolution(node) || is_quantized_convolution(node);
    const int index = is_any_linear(node) ? linear_site(node, method)
                      : convolution       ? convolution_site(node, method)
                                          : product_site(node, method);
    if (index < 0 && !is_any_linear(node)) return nullptr;
    site_by_node_[node] = index;
    if (index < 0) return nullptr;
    Site& site = table_.sites[index];
    if (std::find(site.methods.begin(), site.methods.end(), method) == site.methods.end())
      site.methods.push_back(method);
    return &site;
  }

  int linear_site(Node* linear, int method) {
    Value* weight = linear->input(1);
    Value* root = weight_root(weight);
    if (cannot_run(root)) return -1;
    const at::Tensor tensor = tensor_of(root);
    if (is_quantized_linear(linear) && tensor.defined()) {
      const int index = parameter_site(root, tensor, /*quantized=*/true);
      table_.sites[index].calls.push_back({linear, root, root, method, {}});
      return index;
    }
    std::string problem;
    if (tensor.defined()) {
      const int64_t n = tensor.dim() > 0 ? tensor.size(0) : 0;
      if (const auto rows = rows_of(weight, root, n, known_int_, problem)) {
        if (abandon(root, method)) return -1;
        const int index = parameter_site(root, tensor, /*quantized=*/false);
        table_.sites[index].calls.push_back({linear, root, root, method, *rows});
        return index;
      }
    }
    if (const auto expression = expressions_.of(weight)) return expression_site(linear, *expression, method);
    if (!tensor.defined()) {
      add_computed(linear, *root, method);
      return -1;
    }
    const int index = parameter_site(root, tensor, /*quantized=*/false);
    mark_unsupported(table_.sites[index], fmt::format("a linear in {} reads it {}",
                                                      model_.describe(model_.methods()[method]), problem));
    return index;
  }

  // Of two dimensions: a weight [N, C / groups, h, w], transposed [C, N / groups, h, w].
  int convolution_site(Node* node, int method) {
    Value* root = weight_root(node->input(1));
    const at::Tensor tensor = tensor_of(root);
    if (!tensor.defined()) return -1;
    const bool quantized = is_quantized_convolution(node);
    if (!quantized && (tensor.dim() != 4 || abandon(root, method))) return -1;
    const int index = parameter_site(root, tensor, quantized);
    Site& site = table_.sites[index];
    site.info.kind = SiteKind::kConvolution;
    site.calls.push_back({node, root, root, method, {}});
    if (quantized) return index;
    if (!expressions_.is_parameter(root)) mark_unsupported(site, "it is a buffer, not a parameter");
    for (const Value* value = node->input(1); value != root; value = value->node()->input(0)) {
      if (!is_alias_of_input(value->node())) {
        mark_unsupported(site, fmt::format("a convolution in {} reads it computed by {}",
                                           model_.describe(model_.methods()[method]),
                                           value->node()->kind().toQualString()));
      }
    }
    std::string problem;
    const auto read = read_convolution(model_, method, node, tensor, problem);
    if (!read) {
      mark_unsupported(site, problem);
      site.info.n = tensor.size(node->kind() == Symbol::fromQualString("aten::conv_transpose2d") ? 1 : 0);
      site.info.k = site.info.n == 0 ? 0 : tensor.numel() / site.info.n;
    }
    if (read && site.convolution && !(*read == *site.convolution))
      mark_unsupported(site, "its calls differ in stride, padding or dilation");
    if (read && !site.convolution) site.convolution = read;
    return index;
  }

  // A product that products_to_linear left.
  int product_site(Node* node, int method) {
    if (table_.unreached.count(method)) return -1;
    const auto product = read_product(node, expressions_);
    if (!product) return -1;
    const int index = parameter_site(product->parameter, tensor_of(product->parameter), /*quantized=*/false);
    mark_unsupported(table_.sites[index],
                     fmt::format("{}; {} in {} reads it", product->problem, node->kind().toQualString(),
                                 model_.describe(model_.methods()[method])));
    return index;
  }

  int expression_site(Node* linear, const ParameterExpression& expression, int method) {
    table_.expression_nodes.insert(expression.nodes.begin(), expression.nodes.end());
    const at::Tensor parameter = tensor_of(expression.parameter);
    SiteCall call{linear, linear->input(1), expression.parameter, method, {}};
    if (expression.is_parameter()) {  // w.t().t()
      const int index = parameter_site(expression.parameter, parameter, /*quantized=*/false);
      call.root = expression.parameter;
      call.rows = {0, parameter.size(0)};
      table_.sites[index].calls.push_back(call);
      return index;
    }
    Site fresh;
    name_owner(expression.parameter, fresh);
    fresh.weight = expression.shape;
    fresh.computed = expression.text;
    const std::string key = fmt::format("{}.{} {}", fresh.owner, fresh.attribute, expression.text);
    if (!site_by_key_.count(key) && abandon(expression.parameter, method)) return -1;
    const int index = add_site(key, std::move(fresh));
    Site& site = table_.sites[index];
    if (expression.shape.dim() > 0) call.rows = {0, expression.shape.size(0)};
    site.calls.push_back(call);
    add_leaf(expression.parameter, site);
    for (Value* leaf : expression.leaves) add_leaf(leaf, site);
    for (const SiteLeaf& leaf : site.leaves) computed_from_.emplace(leaf.owner, leaf.attribute);
    return index;
  }

  int parameter_site(Value* parameter, const at::Tensor& tensor, bool quantized) {
    Site fresh;
    fresh.quantized = quantized;
    fresh.weight = tensor;
    name_owner(parameter, fresh);
    const std::string key =
        fresh.owner < 0 ? tensor_identity(tensor) : fmt::format("{}.{}", fresh.owner, fresh.attribute);
    const int index = add_site(key, std::move(fresh));
    add_leaf(parameter, table_.sites[index]);
    return index;
  }

  int add_site(const std::string& key, Site fresh) {
    const auto [at, added] = site_by_key_.emplace(key, static_cast<int>(table_.sites.size()));
    if (added) {
      fresh.info.optional_only = true;
      table_.sites.push_back(std::move(fresh));
    }
    return at->second;
  }

  void name_owner(const Value* parameter, Site& site) const {
    if (parameter->node()->kind() != prim::GetAttr) return;
    site.owner = model_.instance_of(parameter->node()->input(0));
    site.attribute = parameter->node()->s(attr::name);
  }

  void add_leaf(const Value* value, Site& site) const {
    Site named;
    name_owner(value, named);
    const SiteLeaf leaf = {named.owner, named.attribute, tensor_identity(tensor_of(value))};
    if (std::find(site.leaves.begin(), site.leaves.end(), leaf) == site.leaves.end())
      site.leaves.push_back(leaf);
  }

  // The tensor of an attribute or a constant; undefined for other values.
  at::Tensor tensor_of(const Value* value) const {
    const c10::IValue constant = value->node()->kind() == prim::Constant
                                     ? toIValue(value).value_or(c10::IValue())
                                     : model_.attribute(value);
    return constant.isTensor() ? constant.toTensor() : at::Tensor();
  }

  // The weights that this nn.MultiheadAttention does not have, and the compiler's value after a failed assertion.
  bool cannot_run(const Value* root) const {
    const Node* source = root->node();
    if (source->kind() == prim::Uninitialized) return true;
    if (source->kind() == prim::Constant) return toIValue(root).has_value() && toIValue(root)->isNone();
    return source->kind() == prim::GetAttr && model_.instance_of(source->input(0)) >= 0 &&
           model_.attribute(root).isNone();
  }

  // All methods of the model itself and all hooks are roots. A call of which the method is not known may reach any.
  void find_unreached() {
    std::set<int> reached;
    std::vector<int> todo;
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      const MethodGraph& method = model_.methods()[i];
      const auto& type = model_.instances()[method.instance].module.type();
      if (method.instance == 0 || type->findHook(method.name) != nullptr) todo.push_back(static_cast<int>(i));
    }
    bool unknown = false;
    while (!todo.empty()) {
      const int method = todo.back();
      todo.pop_back();
      if (!reached.insert(method).second) continue;
      for_each_node(model_.methods()[method].graph->block(), [&](Node* node) {
        if (node->kind() != prim::CallMethod) return;
        const int callee = model_.callee_of(node);
        if (callee >= 0) todo.push_back(callee);
        unknown = unknown || (callee < 0 && !node->input(0)->type()->cast<c10::ClassType>());
      });
    }
    for (size_t i = 0; i < model_.methods().size() && !unknown; ++i) {
      if (!reached.count(static_cast<int>(i))) table_.unreached.insert(static_cast<int>(i));
    }
  }

  // Does a method that nothing calls read a parameter of a computed weight by itself? It goes with the parameter.
  bool abandon(const Value* parameter, int method) {
    if (!table_.unreached.count(method)) return false;
    Site named;
    name_owner(parameter, named);
    if (named.owner < 0 || !computed_from_.count({named.owner, named.attribute})) return false;
    if (site_by_key_.count(fmt::format("{}.{}", named.owner, named.attribute))) return false;
    table_.abandoned.insert(method);
    return true;
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
      if (site.convolution) describe_convolution(site);
      if (site.weight.dim() != 2) continue;
      site.info.n = site.weight.size(0);
      site.info.k = site.weight.size(1);
    }
  }

  static void describe_convolution(Site& site) {
    const ConvShape& shape = *site.convolution;
    site.info.n = shape.out_channels;
    site.info.k = site.info.n == 0 ? 0 : site.weight.numel() / site.info.n;
    const ConvChoice choice = choose_conv_form(shape);
    if (!choice.form) return mark_unsupported(site, choice.why_float);
    site.form = choice.form;
    const ConvMatrixSize matrix =
        conv_matrix_size(*choice.form, shape.out_channels, shape.in_channels, shape.kernel);
    site.info.stored_n = matrix.rows;
    site.info.stored_k = matrix.columns;
  }

  const ModelGraphs& model_;
  SiteTable table_;
  const KnownValues known_;
  const ParameterExpressions expressions_;
  KnownInt known_int_;
  std::set<std::pair<int, std::string>> computed_from_;  // owners and attributes of computed weights
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
