// Three steps: walk the inlined forward for the order of sites, then the methods forward does not reach; name
// the sites; look at every use of every weight and refuse those that something else than a linear needs.
#include "passes/sites/find_sites.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace vqt {
namespace {

using namespace torch::jit;

class SiteFinder {
 public:
  explicit SiteFinder(const ModelGraphs& model) : model_(model) {
    table_.fast_paths = find_fast_paths(model);
    for (const MethodGraph& method : model.methods()) {
      for_each_node(method.graph->block(), [&](Node* node) {
        if (node->kind() == prim::SetAttr)
          assigned_.emplace(model.instance_of(node->input(0)), node->s(attr::name));
      });
    }
    for (const MethodGraph& method : model.methods()) {
      for_each_node(method.graph->block(), [&](Node* node) { note_width(node); });
    }
    known_int_ = [this](const Value* value) -> std::optional<int64_t> {
      const c10::IValue held = constant_attribute(value);
      if (held.isInt()) return held.toInt();
      const Value* tensor = tensor_with_last_size(value);
      return tensor == nullptr ? std::nullopt : width_of(*tensor, value->node());
    };
  }

  SiteTable run() {
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      const MethodGraph& method = model_.methods()[i];
      if (method.instance == 0 && method.name == "forward") walk_forward(static_cast<int>(i));
    }
    for (size_t i = 0; i < model_.methods().size(); ++i) add_unreached(static_cast<int>(i));
    name_sites();
    refuse_by_tensor();
    look_at_uses();
    number_tied();
    return std::move(table_);
  }

 private:
  // By input of a method: is it None unless an Optional input of forward is given?
  using OnlyIfGiven = std::vector<bool>;

  c10::IValue constant_attribute(const Value* value) const {
    if (value->node()->kind() != prim::GetAttr) return {};
    const int owner = model_.instance_of(value->node()->input(0));
    if (owner < 0 || assigned_.count({owner, value->node()->s(attr::name)})) return {};
    return model_.attribute(value);
  }

  // A linear tells how wide its input is: anything else would be an error.
  void note_width(const Node* linear) {
    if (!is_float_linear(linear)) return;
    Value* root = weight_root(linear->input(1));
    const c10::IValue held = root->node()->kind() == prim::Constant ? toIValue(root).value_or(c10::IValue())
                                                                    : model_.attribute(root);
    if (!held.isTensor() || !held.toTensor().defined() || held.toTensor().dim() != 2) return;
    if (!keeps_columns(linear->input(1), root)) return;
    widths_[linear->input(0)].emplace_back(linear->owningBlock(), held.toTensor().size(1));
  }

  // The last size of a tensor, where a linear that runs whenever `reader` does takes it as its input.
  std::optional<int64_t> width_of(const Value& tensor, const Node* reader) const {
    const auto found = widths_.find(&tensor);
    if (found == widths_.end()) return std::nullopt;
    for (const Block* block = reader->owningBlock(); block != nullptr;
         block = block->owningNode() == nullptr ? nullptr : block->owningNode()->owningBlock()) {
      for (const auto& [linear_block, width] : found->second) {
        if (linear_block == block) return width;
      }
    }
    return std::nullopt;
  }

  // ---- order and calls
  void walk_forward(int method) {
    OnlyIfGiven arguments;
    for (const Value* input : model_.methods()[method].graph->inputs()) {
      arguments.push_back(input->type()->kind() == c10::TypeKind::OptionalType);
    }
    walk_method(method, arguments, false);
  }

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
        const auto taken = decided(node->input(0));
        for (size_t i = 0; i < 2; ++i) {
          if (taken && *taken != (i == 0)) continue;  // a branch that this instance never takes
          walk(node->blocks()[i], method, arguments,
               optional || needs_optional(node->input(0), i == 0, method, arguments));
        }
      } else if (const int callee = model_.callee_of(node); callee >= 0) {
        OnlyIfGiven passed;
        for (const Value* input : node->inputs()) passed.push_back(only_if_given(input, method, arguments));
        walk_method(callee, passed, optional);
      } else {
        for (Block* inner : node->blocks()) walk(inner, method, arguments, optional);
        if (node->hasAttribute(attr::Subgraph)) walk(node->g(attr::Subgraph)->block(), method, {}, optional);
      }
    }
  }

  std::optional<bool> decided(const Value* condition) const {
    const c10::IValue attribute = constant_attribute(condition);
    if (attribute.isBool()) return attribute.toBool();
    if (const auto constant = toIValue(condition); constant && constant->isBool()) return constant->toBool();
    if (condition->node()->kind() == aten::__not__) {
      const auto inner = decided(condition->node()->input(0));
      return inner ? std::optional<bool>(!*inner) : std::nullopt;
    }
    return std::nullopt;
  }

  // Can value be something else than None only when an Optional input of forward was given?
  bool only_if_given(const Value* value, int method, const OnlyIfGiven& arguments) const {
    while (is_alias_of_input(value->node())) value = value->node()->input(0);
    const Node* node = value->node();
    if (node->kind() == prim::If) {  // checked, converted, ... in one branch
      for (size_t i = 0; i < 2; ++i) {
        const Value* end = node->blocks()[i]->outputs()[value->offset()];
        if (end->type()->kind() == c10::TypeKind::NoneType) continue;
        if (!needs_optional(node->input(0), i == 0, method, arguments) &&
            !only_if_given(end, method, arguments))
          return false;
      }
      return true;
    }
    const Graph& graph = *model_.methods()[method].graph;
    return node == graph.block()->param_node() && value->offset() < arguments.size() &&
           arguments[value->offset()];
  }

  // Does condition == outcome tell that an Optional input of forward was given?
  bool needs_optional(const Value* condition, bool outcome, int method, const OnlyIfGiven& arguments) const {
    const Node* node = condition->node();
    if (node->kind() == aten::__not__) return needs_optional(node->input(0), !outcome, method, arguments);
    if (node->kind() == aten::__isnot__ || node->kind() == aten::__is__) {
      if (outcome != (node->kind() == aten::__isnot__)) return false;
      return node->input(1)->type()->kind() == c10::TypeKind::NoneType &&
             only_if_given(node->input(0), method, arguments);
    }
    if (node->kind() == prim::If) {  // `a and b` (false otherwise), `a or b` (true otherwise)
      const Value* ends[2] = {node->blocks()[0]->outputs()[condition->offset()],
                              node->blocks()[1]->outputs()[condition->offset()]};
      for (size_t i = 0; i < 2; ++i) {
        const auto other = toIValue(ends[1 - i]);
        if (!other || !other->isBool() || other->toBool() == outcome) continue;
        if (needs_optional(node->input(0), i == 0, method, arguments)) return true;
        return needs_optional(ends[i], outcome, method, arguments);
      }
    }
    return false;
  }

  void add_unreached(int method) {
    for_each_node(model_.methods()[method].graph->block(), [&](Node* node) {
      if (is_any_linear(node)) site_of(node, method);
    });
  }

  // The site a linear belongs to, made on first sight. Null where its weight is no parameter.
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
      const c10::IValue held = model_.attribute(root);
      if (held.isTensor()) fresh.weight = held.toTensor();
      if (fresh.owner >= 0 && held.isNone())
        return nullptr;  // nn.MultiheadAttention's other kind of weights: cannot run
    } else if (source->kind() == prim::Constant) {
      const auto constant = toIValue(root);
      if (constant && constant->isTensor()) fresh.weight = constant->toTensor();
      if (constant && constant->isNone()) return nullptr;
    } else if (source->kind() == prim::Uninitialized) {
      return nullptr;  // what the compiler puts behind a failed assertion
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
        refuse(site,
               fmt::format("a linear in {} reads it {}", model_.describe(model_.methods()[method]), problem));
      }
    }
    if (std::find(site.methods.begin(), site.methods.end(), method) == site.methods.end())
      site.methods.push_back(method);
    return &site;
  }

  void add_computed(const Node* linear, const Value& root, int method) {
    const MethodGraph& where = model_.methods()[method];
    if (root.node() == where.graph->block()->param_node()) {
      // A weight that comes as an argument: where a call of our own passes a parameter, it was inlined there.
      if (where.instance != 0) return;
    }
    const std::string kind = linear->input(1)->node()->kind().toQualString();
    table_.computed.push_back(
        {model_.instances()[where.instance].fqn,
         fmt::format("the weight of a linear in {} is no parameter (it comes from {})",
                     model_.describe(where), kind == "prim::Param" ? "an argument" : kind)});
  }

  // ---- names and refusals that follow from the tensor alone
  void name_sites() {
    std::map<int, std::set<std::string>> attributes;
    for (const Site& site : table_.sites) attributes[site.owner].insert(site.attribute);
    int64_t frozen = 0;
    for (Site& site : table_.sites) {
      if (site.owner < 0) {
        site.info.name = fmt::format("frozen.{}", frozen++);
        continue;
      }
      std::string attribute = site.attribute;
      if (site.quantized && attribute.size() > 2 && attribute.substr(attribute.size() - 2) == "_q") {
        attribute.resize(attribute.size() - 2);
      }
      const std::string& fqn = model_.instances()[site.owner].fqn;
      const bool several = attributes[site.owner].size() > 1;
      site.info.name = fqn.empty() || several ? join_fqn(fqn, attribute) : fqn;
    }
  }

  void refuse_by_tensor() {
    for (Site& site : table_.sites) {
      if (site.info.calls == 0) site.info.optional_only = false;
      if (site.quantized) continue;
      const at::Tensor& w = site.weight;
      site.info.weight_bytes = static_cast<int64_t>(w.numel() * w.element_size());
      if (w.dim() == 2) {
        site.info.n = w.size(0);
        site.info.k = w.size(1);
      }
      if (w.layout() != at::kStrided || w.is_quantized()) {
        refuse(site, fmt::format("expected a dense weight, got {}", w.toString()));
      } else if (w.scalar_type() != at::kFloat && w.scalar_type() != at::kHalf &&
                 w.scalar_type() != at::kBFloat16) {
        refuse(site, fmt::format("expected a weight of float32, bfloat16 or float16, got {}",
                                 c10::toString(w.scalar_type())));
      } else if (w.dim() != 2) {
        refuse(site, fmt::format("expected a weight [N, K], got {} dimensions", w.dim()));
      } else if (w.numel() == 0) {
        refuse(site, fmt::format("the weight [{}, {}] is empty", w.size(0), w.size(1)));
      } else if (site.owner >= 0 && assigned_.count({site.owner, site.attribute})) {
        refuse(site, fmt::format("a method assigns to {}", site.attribute));
      }
    }
  }

  static void refuse(Site& site, const std::string& reason) {
    if (site.info.refusal.empty()) site.info.refusal = reason;
  }

  // ---- uses
  void look_at_uses() {
    std::unordered_map<std::string, std::vector<int>> by_tensor;
    for (size_t i = 0; i < table_.sites.size(); ++i) {
      if (!table_.sites[i].quantized)
        by_tensor[tensor_identity(table_.sites[i].weight)].push_back(static_cast<int>(i));
    }
    for (size_t m = 0; m < model_.methods().size(); ++m) {
      for_each_node(model_.methods()[m].graph->block(), [&](Node* node) {
        if (node->kind() != prim::GetAttr && node->kind() != prim::Constant) return;
        if (node->outputs().size() != 1) return;
        Value* value = node->output();
        const c10::IValue held =
            node->kind() == prim::GetAttr ? model_.attribute(value) : toIValue(value).value_or(c10::IValue());
        if (!held.isTensor() || !held.toTensor().defined()) return;
        const auto found = by_tensor.find(tensor_identity(held.toTensor()));
        if (found == by_tensor.end()) return;
        uses_of(value, value, static_cast<int>(m), found->second, /*sliced=*/false);
      });
    }
  }

  // value: root, or what alias and slice ops made of it. sites: all that share root's tensor.
  void uses_of(Value* value, Value* root, int method, const std::vector<int>& sites, bool sliced) {
    for (const Use& use : value->uses()) {
      Node* user = use.user;
      if (const int path = enclosing_fast_path(table_.fast_paths, user); path >= 0) {
        for (int i : sites) table_.sites[i].fast_paths.push_back(path);
      } else if (is_float_linear(user) && use.offset == 1) {
        continue;  // site_of saw it
      } else if (use.offset == 0 && (is_alias_of_input(user) || is_row_slice(user))) {
        for (Value* output : user->outputs())
          uses_of(output, root, method, sites, sliced || is_row_slice(user));
      } else if (use.offset == 0 && !sliced && is_metadata_read(user)) {
        Site* own = site_with_root(root, sites);
        if (own != nullptr) own->metadata.push_back({user, root, method});
      } else {
        const std::string what = is_native_attention(user) ? "the traced native fast path " : "";
        std::string by = user->kind().toQualString();
        if (user->kind() == prim::CallFunction) {
          if (const auto type = user->input(0)->type()->cast<c10::FunctionType>())
            by = "function " + type->function()->name();
        } else if (user->kind() == prim::Return || user->kind() == prim::If || user->kind() == prim::Loop) {
          by = "whatever gets the result";
        }
        for (int i : sites) {
          refuse(table_.sites[i],
                 fmt::format("also used by {}{} in {}", what, by, model_.describe(model_.methods()[method])));
        }
      }
    }
  }

  // The site that root itself reads. Another name of the same tensor keeps its float weight and can answer
  // for itself.
  Site* site_with_root(const Value* root, const std::vector<int>& sites) {
    for (int i : sites) {
      Site& site = table_.sites[i];
      if (site.owner < 0
              ? root->node()->kind() == prim::Constant
              : root->node()->kind() == prim::GetAttr && root->node()->s(attr::name) == site.attribute &&
                    model_.instance_of(root->node()->input(0)) == site.owner) {
        return &site;
      }
    }
    return nullptr;
  }

  void number_tied() {
    std::map<std::string, std::vector<int>> groups;
    for (size_t i = 0; i < table_.sites.size(); ++i)
      groups[tensor_identity(table_.sites[i].weight)].push_back(static_cast<int>(i));
    int64_t number = 0;
    for (const auto& [tensor, members] : groups) {
      if (members.size() < 2) continue;
      for (int i : members) table_.sites[i].info.tied = number;
      ++number;
    }
  }

  const ModelGraphs& model_;
  SiteTable table_;
  KnownInt known_int_;
  std::unordered_map<const Value*, std::vector<std::pair<const Block*, int64_t>>> widths_;
  std::set<std::pair<int, std::string>> assigned_;  // attributes some method assigns to
  std::unordered_map<const Node*, int> site_by_node_;
  std::unordered_map<std::string, int> site_by_key_;
};

}  // namespace

std::string tensor_identity(const at::Tensor& t) {
  if (!t.has_storage()) return fmt::format("{}", static_cast<const void*>(t.unsafeGetTensorImpl()));
  return fmt::format("{} {} {} {}", static_cast<const void*>(t.storage().unsafeGetStorageImpl()),
                     t.storage_offset(), fmt::join(t.sizes(), ","), fmt::join(t.strides(), ","));
}

std::vector<SiteInfo> SiteTable::infos() const {
  std::vector<SiteInfo> infos;
  for (const Site& site : sites) infos.push_back(site.info);
  return infos;
}

SiteTable find_sites(const ModelGraphs& model) { return SiteFinder(model).run(); }

}  // namespace vqt
