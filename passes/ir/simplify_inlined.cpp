// Rules on single nodes, run until none applies.
#include "passes/ir/simplify_inlined.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <set>

#include "passes/ir/convolutions.h"
#include "passes/ir/inline_functions.h"
#include "passes/ir/model_graph.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_one_of(const Node* node, const std::set<std::string>& names) {
  return names.count(node->kind().toQualString()) != 0;
}

bool is_condition(const Node* node) {
  static const std::set<std::string> kNames = {
      "aten::lt",     "aten::gt",   "aten::le",       "aten::ge",      "aten::eq",
      "aten::ne",     "aten::len",  "aten::sub",      "aten::__not__", "aten::__and__",
      "aten::__or__", "aten::Bool", "aten::remainder"};
  return is_one_of(node, kNames) && node->outputs().size() == 1;
}

// No sizes, dtypes or tensors: only constants of the source code.
bool has_plain_constants(const Node* node) {
  for (const Value* input : node->inputs()) {
    const auto constant = toIValue(input);
    if (!constant ||
        !(constant->isInt() || constant->isDouble() || constant->isBool() || constant->isString()))
      return false;
  }
  return true;
}

// The input that a node returns unchanged, or null.
Value* passed_through(Node* node) {
  static const std::set<std::string> kCasts = {"prim::unchecked_cast", "prim::unchecked_unwrap_optional",
                                               "aten::_unwrap_optional"};
  static const std::set<std::string> kDropouts = {
      "aten::dropout",  "aten::feature_dropout",  "aten::alpha_dropout",  "aten::feature_alpha_dropout",
      "aten::dropout_", "aten::feature_dropout_", "aten::alpha_dropout_", "aten::feature_alpha_dropout_"};
  if (is_one_of(node, kCasts)) {
    const bool same = node->input(0)->type()->isSubtypeOf(*node->output()->type());
    return same ? node->input(0) : nullptr;
  }
  if (is_one_of(node, kDropouts)) {
    const auto p = toIValue(node->input(1)), train = toIValue(node->input(2));
    const bool legal = p && p->isDouble() && p->toDouble() >= 0.0 && p->toDouble() <= 1.0;
    return legal && train && train->isBool() && !train->toBool() ? node->input(0) : nullptr;
  }
  return nullptr;
}

// `a is b` and `a is not b` where a and b are one value, or one is None and the other's type decides.
std::optional<bool> identity_check(const Node* node) {
  static const std::set<c10::TypeKind> kNeverNone = {c10::TypeKind::TensorType, c10::TypeKind::BoolType,
                                                     c10::TypeKind::IntType,    c10::TypeKind::FloatType,
                                                     c10::TypeKind::StringType, c10::TypeKind::ListType};
  const bool is = node->kind() == aten::__is__;
  if (!is && node->kind() != aten::__isnot__) return std::nullopt;
  if (node->input(0) == node->input(1)) return is;
  const auto kind = [&](size_t i) { return node->input(i)->type()->kind(); };
  for (size_t i = 0; i < 2; ++i) {
    if (kind(i) != c10::TypeKind::NoneType) continue;
    if (kind(1 - i) == c10::TypeKind::NoneType) return is;
    if (kNeverNone.count(kind(1 - i)) != 0) return !is;
  }
  return std::nullopt;
}

// A list literal that nothing changes.
bool is_constant_list(const Value* list) {
  if (list->node()->kind() != prim::ListConstruct) return false;
  for (const Use& use : list->uses()) {
    const FunctionSchema* schema = use.user->maybeSchema();
    const bool named = schema != nullptr && use.offset < schema->arguments().size();
    const bool reads = use.user->kind() == prim::unchecked_cast ||
                       (named ? schema->arguments()[use.offset].alias_info() == nullptr
                              : schema != nullptr && schema->is_vararg());
    if (!reads) return false;
  }
  return true;
}

// Is the value a map [n, C, h, w]: what our convolutions return, and what keeps the sizes of one?
bool is_map(const Value* value) {
  const Node* node = value->node();
  if (is_quantized_convolution(node)) return true;
  static const std::set<std::string> kKeep = {"aten::relu", "aten::relu_", "aten::add_", "aten::clone",
                                              "aten::upsample_bilinear2d"};
  return is_one_of(node, kKeep) && is_map(node->input(0));
}

// x.dim() of a map, len() of a list literal, and whether a list of texts has one.
std::optional<c10::IValue> known_result(const Node* node) {
  if (node->kind() == aten::dim && is_map(node->input(0))) return 4;
  if (!is_one_of(node, {"aten::len", "aten::__contains__"}) || !is_constant_list(node->input(0)))
    return std::nullopt;
  const auto items = node->input(0)->node()->inputs();
  if (node->kind() == aten::len) return static_cast<int64_t>(items.size());
  const auto wanted = constant_as<std::string>(node->input(1));
  bool found = false;
  for (const Value* item : items) {
    const auto text = constant_as<std::string>(item);
    if (!text || !wanted) return std::nullopt;
    found = found || *text == *wanted;
  }
  return found;
}

class Simplifier {
 public:
  Simplifier(Graph& graph, const KnownAttribute& known_attribute)
      : graph_(graph), known_attribute_(known_attribute) {}

  bool round() {
    changed_ = false;
    for_each_node(graph_.block(), [&](Node* node) {
      if (node->owningGraph() != &graph_) return;
      if (node->kind() == prim::If) {
        equal_outputs(node);
        return repeated_outputs(node);
      }
      if (node->outputs().size() != 1 || node->kind() == prim::Constant || !node->output()->hasUses()) return;
      if (Value* input = passed_through(node)) {
        replace(node->output(), input);
        return node->destroy();  // in-place forms are not dead to EliminateDeadCode
      }
      if (node->kind() == prim::GetAttr) {
        const auto known = known_attribute_(node->output());
        return known ? replace(node, *known) : void();
      }
      if (const auto outcome = identity_check(node)) return replace(node, *outcome);
      if (const auto result = known_result(node)) return replace(node, *result);
      if (!is_condition(node) || !has_plain_constants(node)) return;
      if (const auto result = runNodeIfInputsAreConstant(node)) replace(node, result->at(0));
    });
    if (changed_) fold_branches(graph_);
    return changed_;
  }

 private:
  // An output that is the same constant, or the same outer value, in both branches.
  void equal_outputs(Node* branch) {
    for (size_t i = 0; i < branch->outputs().size(); ++i) {
      if (!branch->output(i)->hasUses()) continue;
      Value* a = branch->blocks()[0]->outputs()[i];
      const Value* b = branch->blocks()[1]->outputs()[i];
      if (a == b) {
        replace(branch->output(i), a);
        continue;
      }
      const auto constant_a = toIValue(a), constant_b = toIValue(b);
      if (constant_a && constant_b && constant_a->isBool() && constant_b->isBool() &&
          constant_a->toBool() == constant_b->toBool()) {
        const WithInsertPoint guard(branch);
        replace(branch->output(i), graph_.insertConstant(*constant_a));
      }
    }
  }

  // Outputs that are one value in the first branch, and one in the second: query, key and value of self-attention.
  void repeated_outputs(Node* branch) {
    const auto of = [&](size_t block, size_t i) { return branch->blocks()[block]->outputs()[i]; };
    for (size_t i = 0; i < branch->outputs().size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        Value *first = branch->output(j), *repeated = branch->output(i);
        if (!repeated->hasUses() || of(0, i) != of(0, j) || of(1, i) != of(1, j)) continue;
        if (*first->type() == *repeated->type()) replace(repeated, first);
      }
    }
  }

  void replace(Node* node, const c10::IValue& constant) {
    const WithInsertPoint guard(node);
    replace(node->output(), graph_.insertConstant(constant));
  }

  void replace(Value* value, Value* by) {
    value->replaceAllUsesWith(by);
    changed_ = true;
  }

  Graph& graph_;
  const KnownAttribute& known_attribute_;
  bool changed_ = false;
};

}  // namespace

void simplify_inlined(const std::shared_ptr<Graph>& graph, const KnownAttribute& known_attribute) {
  fold_branches(*graph);  // on what is constant as it stands: F.relu's `inplace`
  Simplifier simplifier(*graph, known_attribute);
  while (simplifier.round()) {
  }
  EliminateDeadCode(graph);
}

}  // namespace vqt
