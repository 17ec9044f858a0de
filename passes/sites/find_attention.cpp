// Walks forward with what is known of every call's arguments, so that a mask that no caller gives is none.
#include "passes/sites/find_attention.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <unordered_map>

#include "vqt/plan.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_integer_attention(const Node* node) {
  static const Symbol kAttention = Symbol::fromQualString("vqt::attention");
  return node->kind() == kAttention;
}

constexpr const char* kMask = "has a mask";
constexpr const char* kCausal = "is causal";

class AttentionFinder {
 public:
  explicit AttentionFinder(const ModelGraphs& model)
      : model_(model), constants_(model), values_(model, constants_) {}

  std::vector<AttentionSite> run() {
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      const MethodGraph& method = model_.methods()[i];
      if (method.instance == 0 && method.name == "forward") walk_method(static_cast<int>(i), {});
    }
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      if (!reached_.count(static_cast<int>(i)))
        walk_alone(model_.methods()[i].graph->block(), static_cast<int>(i));
    }
    for (const auto& [node, problems] : problems_) conclude(sites_[index_.at(node)], problems);
    drop_copies();
    name_sites();
    return std::move(sites_);
  }

 private:
  void walk_method(int method, const CallArguments& arguments) {
    reached_.insert(method);
    walk(model_.methods()[method].graph->block(), method, arguments);
  }

  void walk(Block* block, int method, const CallArguments& arguments) {
    for (Node* node : block->nodes()) {
      if (AttentionSite* site = site_of(node, method)) {
        ++site->calls;
        note_call(node, arguments);
      } else if (node->kind() == prim::If) {
        const auto taken = values_.boolean(node->input(0), arguments);
        for (size_t i = 0; i < 2; ++i) {
          if (!taken || *taken == (i == 0)) walk(node->blocks()[i], method, arguments);
        }
      } else if (const int callee = model_.callee_of(node); callee >= 0) {
        walk_method(callee, values_.inputs_of(node, arguments));
      } else {
        for (Block* inner : node->blocks()) walk(inner, method, arguments);
        if (node->hasAttribute(attr::Subgraph)) walk(node->g(attr::Subgraph)->block(), method, {});
      }
    }
  }

  // A method that forward does not call, without what it calls.
  void walk_alone(Block* block, int method) {
    for (Node* node : block->nodes()) {
      if (site_of(node, method) != nullptr) {
        note_call(node, {});
        continue;
      }
      const auto taken = node->kind() == prim::If ? values_.boolean(node->input(0), {}) : std::nullopt;
      for (size_t i = 0; i < node->blocks().size(); ++i) {
        if (!taken || *taken == (i == 0)) walk_alone(node->blocks()[i], method);
      }
      if (node->hasAttribute(attr::Subgraph)) walk_alone(node->g(attr::Subgraph)->block(), method);
    }
  }

  AttentionSite* site_of(Node* node, int method) {
    const auto known = index_.find(node);
    if (known != index_.end()) return &sites_[known->second];
    AttentionSite site;
    site.node = node;
    site.method = method;
    if (node->kind() == aten::scaled_dot_product_attention || is_integer_attention(node)) {
      site.integer = is_integer_attention(node);
      site.composed.q = node->input(0);
      site.composed.k = node->input(1);
      site.composed.v = node->input(2);
      if (!site.integer) read_arguments(site);
    } else {
      site.composed = read_composed_attention(node, model_, values_);
      if (site.composed.q == nullptr) return nullptr;
      site.problem = site.composed.problem;
    }
    index_[node] = sites_.size();
    sites_.push_back(std::move(site));
    return &sites_.back();
  }

  // What holds for every caller. scaled_dot_product_attention(q, k, v, mask, dropout, is_causal, scale, enable_gqa)
  void read_arguments(AttentionSite& site) const {
    const Node* node = site.node;
    const auto given = [&](size_t i) { return i < node->inputs().size(); };
    if (given(3) && values_.of(node->input(3), {}).none != true) site.mask = node->input(3);
    if (given(5) && values_.boolean(node->input(5), {}) != false) site.is_causal = node->input(5);
    const Known dropout = given(4) ? values_.of(node->input(4), {}) : Known{};
    const bool no_dropout =
        !given(4) ||
        (dropout.constant && dropout.constant->isDouble() && dropout.constant->toDouble() == 0.0) ||
        (dropout.constant && dropout.constant->isInt() && dropout.constant->toInt() == 0);
    if (!no_dropout) site.problem = "has a dropout that may not be 0";
    if (given(7) && values_.boolean(node->input(7), {}) != false)
      site.problem = "has fewer heads of keys than of queries (enable_gqa)";
  }

  void note_call(const Node* node, const CallArguments& arguments) {
    const AttentionSite& site = sites_[index_.at(node)];
    const auto mask =
        site.mask == nullptr ? std::optional<bool>(true) : values_.of(site.mask, arguments).none;
    const auto causal =
        site.is_causal == nullptr ? std::optional<bool>(false) : values_.boolean(site.is_causal, arguments);
    std::set<std::string>& problems = problems_[node];
    if (mask != true) problems.insert(kMask);
    if (causal != false) problems.insert(kCausal);
    const bool always = mask == false || causal == true;
    if (!always) problems.insert("");  // it may run, or does
  }

  static void conclude(AttentionSite& site, const std::set<std::string>& problems) {
    if (site.integer || !site.problem.empty()) return;
    std::string text;
    for (const std::string& problem : problems) {
      if (!problem.empty()) text += (text.empty() ? "" : ", ") + problem;
    }
    if (text.empty()) return;
    (problems.count("") ? site.note : site.problem) = text;
    if (!site.note.empty()) site.note = "torch's op where it " + site.note;
  }

  // Fusions inline into the root's methods what they call. Each integer attention of a submodule, which is still
  // there, then has a copy in forward: the one with the name stays, with the calls of the other.
  void drop_copies() {
    std::vector<size_t> copies, named;
    for (size_t i = 0; i < sites_.size(); ++i) {
      if (!sites_[i].integer) continue;
      const bool of_root = model_.methods()[sites_[i].method].instance == 0;
      if (of_root && sites_[i].calls > 0) copies.push_back(i);
      if (!of_root && sites_[i].calls == 0) named.push_back(i);
    }
    if (copies.empty() || copies.size() != named.size()) return;
    for (size_t i = 0; i < copies.size(); ++i) sites_[named[i]].calls = sites_[copies[i]].calls;
    for (auto copy = copies.rbegin(); copy != copies.rend(); ++copy)
      sites_.erase(sites_.begin() + static_cast<std::ptrdiff_t>(*copy));
  }

  void name_sites() {
    std::map<int, int> several;  // by instance
    for (const AttentionSite& site : sites_) ++several[model_.methods()[site.method].instance];
    std::map<int, int> number;
    for (AttentionSite& site : sites_) {
      const int instance = model_.methods()[site.method].instance;
      const std::string& fqn = model_.instances()[instance].fqn;
      const int i = ++number[instance];
      site.name = several[instance] == 1 && !fqn.empty()
                      ? fqn
                      : join_fqn(fqn, i == 1 ? "attention" : fmt::format("attention_{}", i));
    }
  }

  const ModelGraphs& model_;
  const ConstantValues constants_;
  const CallValues values_;
  std::vector<AttentionSite> sites_;
  std::unordered_map<const Node*, size_t> index_;
  std::unordered_map<const Node*, std::set<std::string>>
      problems_;  // of its calls; "" of one that may have none
  std::set<int> reached_;
};

SiteReport row_of(const AttentionSite& site) {
  SiteReport row;
  row.name = site.name;
  row.kind = "attention";
  row.action = "float";
  row.scheme = "float";
  row.calls = site.calls;
  return row;
}

}  // namespace

std::vector<SiteReport> planned_attention_rows(const std::vector<AttentionSite>& sites,
                                               const std::string& mode) {
  std::vector<SiteReport> rows;
  for (const AttentionSite& site : sites) {
    SiteReport row = row_of(site);
    row.reason = site.problem.empty() ? site.note : site.problem;
    if (site.problem.empty()) row.scheme = "attention " + mode;
    if (site.problem.empty() && mode == "int8") row.action = "quantized";
    rows.push_back(row);
  }
  return rows;
}

std::vector<SiteReport> present_attention_rows(const std::vector<AttentionSite>& sites) {
  std::vector<SiteReport> rows;
  for (const AttentionSite& site : sites) {
    if (!site.integer) continue;
    rows.push_back(row_of(site));
    rows.back().action = "quantized";
    rows.back().scheme = "attention int8";
  }
  return rows;
}

std::vector<AttentionSite> find_attention(const ModelGraphs& model) { return AttentionFinder(model).run(); }

std::vector<AttentionSite> planned_attention(const ModelGraphs& model, const QuantizationConfig& config) {
  if (config.attention == "float") return {};
  std::vector<AttentionSite> sites = find_attention(model);
  for (AttentionSite& site : sites) {
    for (const std::string& pattern : config.ignore) {
      if (!site.problem.empty() || !matches(pattern, site.name)) continue;
      site.problem = fmt::format("ignore \"{}\"", pattern);
    }
  }
  return sites;
}

}  // namespace vqt
