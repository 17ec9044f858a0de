#include "passes/sites/unsupported.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace vqt {
namespace {

using namespace torch::jit;

class UseFinder {
 public:
  UseFinder(const ModelGraphs& model, SiteTable& table) : model_(model), table_(table) {}

  void run() {
    std::unordered_map<std::string, Readers> by_tensor;
    for (size_t i = 0; i < table_.sites.size(); ++i) {
      const std::vector<SiteLeaf>& leaves = table_.sites[i].leaves;
      for (size_t leaf = 0; leaf < leaves.size() && !table_.sites[i].quantized; ++leaf) {
        Readers& readers = by_tensor[leaves[leaf].identity];
        (leaf == 0 ? readers.replacing : readers.reading).push_back(static_cast<int>(i));
      }
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
        uses_of(value, {value, static_cast<int>(m), found->second, false, false});
      });
    }
  }

 private:
  // Sites of one tensor.
  struct Readers {
    std::vector<int> replacing;  // whose packed weight takes its place
    std::vector<int> reading;    // whose weight is computed from it and from larger tensors
  };
  struct Path {
    Value* root;  // prim::GetAttr or prim::Constant
    int method;
    const Readers& readers;
    bool sliced, cast;  // on the way from root
  };

  // value: root, or the result of alias and slice ops on it, or a part of an expression that has it.
  void uses_of(Value* value, const Path& path) {
    for (const Use& use : value->uses()) {
      Node* user = use.user;
      if (const int fast_path = enclosing_fast_path(table_.fast_paths, user); fast_path >= 0) {
        for (int i : path.readers.replacing) table_.sites[i].fast_paths.push_back(fast_path);
      } else if (is_call(user, path.readers) && use.offset == 1) {
        continue;  // a call of the site
      } else if (use.offset == 0 && (is_alias_of_input(user) || is_row_slice(user))) {
        Path further = path;
        further.sliced = path.sliced || is_row_slice(user);
        further.cast = path.cast || is_cast(user);
        for (Value* output : user->outputs()) uses_of(output, further);
      } else if (use.offset == 0 && !path.sliced && is_metadata_use(user) &&
                 !(path.cast && user->kind() == prim::dtype)) {
        Site* own = site_with_root(path.root, path.readers.replacing);
        if (own != nullptr) own->metadata.push_back({user, path.root, path.method});
      } else if (table_.expression_nodes.count(user) != 0) {
        Path further = path;
        further.sliced = true;  // its size is not that of root
        for (Value* output : user->outputs()) uses_of(output, further);
      } else if (table_.unreached.count(path.method) != 0 && are_computed(path.readers) && !writes(use)) {
        table_.abandoned.insert(path.method);
      } else {
        const std::string reason =
            "also used by " + describe(user) + " in " + model_.describe(model_.methods()[path.method]);
        for (int i : path.readers.replacing) mark_unsupported(table_.sites[i], reason);
        if (only_reads(use)) continue;
        for (int i : path.readers.reading) mark_unsupported(table_.sites[i], reason);
      }
    }
  }

  // A linear; of a convolution's weight a convolution.
  bool is_call(const Node* user, const Readers& readers) const {
    if (is_float_linear(user)) return true;
    const auto of_convolution = [&](int i) { return table_.sites[i].info.kind == SiteKind::kConvolution; };
    return is_float_convolution(user) && readers.reading.empty() &&
           std::all_of(readers.replacing.begin(), readers.replacing.end(), of_convolution);
  }

  bool are_computed(const Readers& readers) const {
    const auto computed = [&](int i) { return !table_.sites[i].computed.empty(); };
    return std::all_of(readers.replacing.begin(), readers.replacing.end(), computed);
  }

  static std::string describe(const Node* user) {
    const std::string what = is_native_attention(user) ? "the traced native fast path " : "";
    if (user->kind() == prim::CallFunction) {
      if (const auto type = user->input(0)->type()->cast<c10::FunctionType>())
        return what + "function " + type->function()->name();
    }
    const bool leaves =
        user->kind() == prim::Return || user->kind() == prim::If || user->kind() == prim::Loop;
    return what + (leaves ? "the caller" : user->kind().toQualString());
  }

  static bool writes(const Use& use) {
    const FunctionSchema* schema = use.user->maybeSchema();
    return schema != nullptr && use.offset < schema->arguments().size() &&
           schema->is_mutable({c10::SchemaArgType::input, use.offset});
  }

  // Is the tensor the same after this use, whatever becomes of the result?
  static bool only_reads(const Use& use) {
    const FunctionSchema* schema = use.user->maybeSchema();
    if (schema == nullptr || use.offset >= schema->arguments().size()) return false;
    return schema->arguments()[use.offset].alias_info() == nullptr;
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
    } else if (w.dim() != 2 && site.info.kind != SiteKind::kConvolution) {
      mark_unsupported(site, fmt::format("expected a weight [N, K], got {} dimensions", w.dim()));
    } else if (w.numel() == 0) {
      mark_unsupported(site, fmt::format("the weight [{}] is empty", fmt::join(w.sizes(), ", ")));
    } else if (site.owner >= 0 && constants.is_assigned(site.owner, site.attribute)) {
      mark_unsupported(site, fmt::format("a method assigns to {}", site.attribute));
    }
  }
}

void check_uses(const ModelGraphs& model, SiteTable& table) { UseFinder(model, table).run(); }

}  // namespace vqt
