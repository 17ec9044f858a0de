#include "passes/rewrite/rewrite_attention.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <set>

#include "passes/ir/inline_functions.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The number of a constant int, float or tensor of one value.
std::optional<double> constant_number(const Value* value) {
  const auto constant = toIValue(value);
  if (!constant) return std::nullopt;
  if (constant->isTensor()) return constant->toTensor().item<double>();
  return constant->isInt() || constant->isDouble() ? std::optional<double>(constant->toScalar().toDouble())
                                                   : std::nullopt;
}

// All factors as one float; constants are multiplied here.
Value* product_of(Graph& graph, const std::vector<ComposedAttention::Factor>& factors) {
  double constant = 1.0;
  std::vector<ComposedAttention::Factor> others;
  for (const auto& factor : factors) {
    const auto number = constant_number(factor.value);
    if (!number) {
      others.push_back(factor);
    } else {
      constant = factor.divides ? constant / *number : constant * *number;
    }
  }
  Value* scale = graph.insertConstant(constant);
  for (const auto& factor : others) {
    Value* number = factor.value;
    if (number->type()->kind() == c10::TypeKind::IntType) number = graph.insert(aten::Float, {number});
    scale = graph.insert(factor.divides ? aten::div : aten::mul, {scale, number});
  }
  return scale;
}

// The result of a product is contiguous, that of vqt::attention is not: may its readers tell?
bool reads_any_strides(const Value* value) {
  static const std::set<std::string> kReaders = {"aten::reshape", "aten::contiguous", "aten::flatten",
                                                 "aten::add",     "aten::mul",        "aten::size",
                                                 "aten::linear",  "aten::dim"};
  static const std::set<std::string> kViews = {"aten::transpose", "aten::permute"};
  return std::all_of(value->uses().begin(), value->uses().end(), [](const Use& use) {
    const std::string kind = use.user->kind().toQualString();
    return kReaders.count(kind) != 0 || (kViews.count(kind) != 0 && reads_any_strides(use.user->output()));
  });
}

Value* scale_of(const AttentionSite& site, Graph& graph) {
  if (site.node->kind() != aten::scaled_dot_product_attention)
    return product_of(graph, site.composed.factors);
  return site.node->inputs().size() > 6 ? site.node->input(6) : graph.insertConstant(c10::IValue());
}

Value* keys_of(const AttentionSite& site, Graph& graph) {
  if (!site.composed.k_transposed) return site.composed.k;
  return graph.insert(aten::transpose, {site.composed.k, -2, -1});
}

Value* in_integers(const AttentionSite& site, Graph& graph) {
  static const Symbol kAttention = Symbol::fromQualString("vqt::attention");
  Value* y = graph.insert(kAttention, {site.composed.q, keys_of(site, graph), site.composed.v},
                          {NamedValue("scale", scale_of(site, graph))}, site.node->sourceRange());
  return reads_any_strides(site.node->output()) ? y : graph.insert(aten::contiguous, {y});
}

Value* in_bfloat16(const AttentionSite& site, Graph& graph) {
  const auto cast = [&](Value* x) {
    return graph.insert(aten::to, {x, static_cast<int64_t>(at::kBFloat16)});
  };
  Value* y = graph.insert(aten::scaled_dot_product_attention,
                          {cast(site.composed.q), cast(keys_of(site, graph)), cast(site.composed.v)},
                          {NamedValue("scale", scale_of(site, graph))}, site.node->sourceRange());
  y = graph.insert(aten::type_as, {y, site.composed.v});
  return reads_any_strides(site.node->output()) ? y : graph.insert(aten::contiguous, {y});
}

// Null where nothing has to hold.
Value* condition_of(const AttentionSite& site, Graph& graph) {
  Value *no_mask = nullptr, *not_causal = nullptr;
  if (site.mask != nullptr)
    no_mask = graph.insert(aten::__is__, {site.mask, graph.insertConstant(c10::IValue())});
  if (site.is_causal != nullptr) not_causal = graph.insert(aten::__not__, {site.is_causal});
  if (no_mask == nullptr || not_causal == nullptr) return no_mask == nullptr ? not_causal : no_mask;
  return graph.insert(aten::__and__, {no_mask, not_causal});
}

void rewrite(const AttentionSite& site, const std::string& mode) {
  Graph& graph = *site.node->owningGraph();
  const auto compute = [&] { return mode == "bf16" ? in_bfloat16(site, graph) : in_integers(site, graph); };
  const WithInsertPoint guard(site.node);
  Value* condition = condition_of(site, graph);
  if (condition == nullptr) {
    Value* y = compute();
    y->copyMetadata(site.node->output());
    site.node->output()->replaceAllUsesWith(y);
    site.node->destroy();
  } else {
    Node* branch = graph.insertNode(graph.create(prim::If, {condition}, 1));
    branch->output()->copyMetadata(site.node->output());
    Block *integer = branch->addBlock(), *other = branch->addBlock();
    {
      const WithInsertPoint inside(integer);
      integer->registerOutput(compute());
    }
    site.node->output()->replaceAllUsesWith(branch->output());
    site.node->moveBefore(other->return_node());
    other->registerOutput(site.node->output());
  }
  for (const auto& [branch, taken] : site.composed.decided) {
    const WithInsertPoint before(branch);
    branch->replaceInput(0, graph.insertConstant(taken));
  }
  // From the last to the first: each was read by the one before it.
  for (size_t i = 1; i < site.composed.nodes.size(); ++i) {
    if (!site.composed.nodes[i]->hasUses()) site.composed.nodes[i]->destroy();
  }
}

}  // namespace

void rewrite_attention(const std::vector<AttentionSite>& sites, const std::string& mode) {
  for (const AttentionSite& site : sites) {
    if (site.problem.empty() && !site.integer) rewrite(site, mode);
  }
}

void clean_up_attention(const ModelGraphs& model, const std::vector<AttentionSite>& sites) {
  std::set<int> methods;
  for (const AttentionSite& site : sites) {
    if (site.problem.empty() && !site.integer) methods.insert(site.method);
  }
  for (const int method : methods) {
    fold_branches(*model.methods()[method].graph);
    EliminateDeadCode(model.methods()[method].graph);
  }
}

}  // namespace vqt
