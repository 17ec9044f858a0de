#include "passes/sites/unsupported.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>

#include <unordered_map>
#include <vector>

namespace vqt {
namespace {

using namespace torch::jit;

class UseFinder {
 public:
  UseFinder(const ModelGraphs& model, SiteTable& table) : model_(model), table_(table) {}

  void run() {
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
        const c10::IValue constant =
            node->kind() == prim::GetAttr ? model_.attribute(value) : toIValue(value).value_or(c10::IValue());
        if (!constant.isTensor() || !constant.toTensor().defined()) return;
        const auto found = by_tensor.find(tensor_identity(constant.toTensor()));
        if (found == by_tensor.end()) return;
        uses_of(value, value, static_cast<int>(m), found->second, /*sliced=*/false);
      });
    }
  }

 private:
  // value: root, or the result of alias and slice ops on it. sites: all that share root's tensor.
  void uses_of(Value* value, Value* root, int method, const std::vector<int>& sites, bool sliced) {
    for (const Use& use : value->uses()) {
      Node* user = use.user;
      if (const int path = enclosing_fast_path(table_.fast_paths, user); path >= 0) {
        for (int i : sites) table_.sites[i].fast_paths.push_back(path);
      } else if (is_float_linear(user) && use.offset == 1) {
        continue;  // a call of the site
      } else if (use.offset == 0 && (is_alias_of_input(user) || is_row_slice(user))) {
        for (Value* output : user->outputs())
          uses_of(output, root, method, sites, sliced || is_row_slice(user));
      } else if (use.offset == 0 && !sliced && is_metadata_use(user)) {
        Site* own = site_with_root(root, sites);
        if (own != nullptr) own->metadata.push_back({user, root, method});
      } else {
        const std::string what = is_native_attention(user) ? "the traced native fast path " : "";
        std::string by = user->kind().toQualString();
        if (user->kind() == prim::CallFunction) {
          if (const auto type = user->input(0)->type()->cast<c10::FunctionType>())
            by = "function " + type->function()->name();
        } else if (user->kind() == prim::Return || user->kind() == prim::If || user->kind() == prim::Loop) {
          by = "the caller";
        }
        for (int i : sites) {
          mark_unsupported(table_.sites[i], fmt::format("also used by {}{} in {}", what, by,
                                                        model_.describe(model_.methods()[method])));
        }
      }
    }
  }

  // The site that root itself reads. A tensor with another name keeps its float weight, and its metadata.
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

  const ModelGraphs& model_;
  SiteTable& table_;
};

}  // namespace

void mark_unsupported(Site& site, const std::string& reason) {
  if (site.info.unsupported_reason.empty()) site.info.unsupported_reason = reason;
}

void check_tensors(const ConstantValues& constants, SiteTable& table) {
  for (Site& site : table.sites) {
    if (site.quantized) continue;
    const at::Tensor& w = site.weight;
    if (w.layout() != at::kStrided || w.is_quantized()) {
      mark_unsupported(site, fmt::format("expected a dense weight, got {}", w.toString()));
    } else if (w.scalar_type() != at::kFloat && w.scalar_type() != at::kHalf &&
               w.scalar_type() != at::kBFloat16) {
      mark_unsupported(site, fmt::format("expected a weight of float32, bfloat16 or float16, got {}",
                                         c10::toString(w.scalar_type())));
    } else if (w.dim() != 2) {
      mark_unsupported(site, fmt::format("expected a weight [N, K], got {} dimensions", w.dim()));
    } else if (w.numel() == 0) {
      mark_unsupported(site, fmt::format("the weight [{}, {}] is empty", w.size(0), w.size(1)));
    } else if (site.owner >= 0 && constants.is_assigned(site.owner, site.attribute)) {
      mark_unsupported(site, fmt::format("a method assigns to {}", site.attribute));
    }
  }
}

void check_uses(const ModelGraphs& model, SiteTable& table) { UseFinder(model, table).run(); }

}  // namespace vqt
