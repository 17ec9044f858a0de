// Backwards from the last product: dropout, softmax, what scales the scores, the first product.
#include "passes/sites/composed_attention.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_product(const Node* node) { return node->kind() == aten::matmul || node->kind() == aten::bmm; }

std::string class_of(const c10::Type& type) {
  const auto* class_type = type.castRaw<c10::ClassType>();
  return class_type != nullptr && class_type->name() ? class_type->name()->qualifiedName() : "";
}

// Is it module `name` of torch.nn (Softmax, Dropout)? `file` is where torch defines it.
bool is_torch_module(const Node* call, const std::string& file, const std::string& name) {
  if (call->kind() != prim::CallMethod || call->s(attr::name) != "forward") return false;
  const std::string type = class_of(*call->input(0)->type());
  const bool ends = type.size() > name.size() &&
                    type.compare(type.size() - name.size() - 1, std::string::npos, "." + name) == 0;
  return ends && type.rfind("__torch__.torch.nn.modules." + file + ".", 0) == 0;
}

bool is_function(const Node* call, const std::string& name) {
  if (call->kind() != prim::CallFunction) return false;
  const auto type = call->input(0)->type()->cast<c10::FunctionType>();
  const std::string full = type ? type->function()->qualname().qualifiedName() : "";
  // A second copy has a mangled name: __torch__.torch.nn.functional.___torch_mangle_3.softmax.
  return full.rfind("__torch__.torch.nn.functional.", 0) == 0 && type->function()->name() == name;
}

bool is_last(const Value* dim) {
  const auto constant = constant_as<int64_t>(dim);
  return constant && *constant == -1;
}

// a tensor of numbers that are all the same at run time: a scalar
bool is_scalar(const Value* value) {
  const auto kind = value->type()->kind();
  if (kind == c10::TypeKind::FloatType || kind == c10::TypeKind::IntType) return true;
  const auto constant = toIValue(value);
  return constant &&
         ((constant->isTensor() && constant->toTensor().numel() == 1 && constant->toTensor().dim() == 0) ||
          constant->isInt() || constant->isDouble());
}

class Reader {
 public:
  Reader(Node* last, const ModelGraphs& model, const CallValues& values)
      : last_(last), model_(model), values_(values) {}

  ComposedAttention read() {
    if (!is_product(last_)) return {};
    found_.nodes = {last_};
    found_.v = last_->input(1);
    Value* weights = skip_dropout(through(last_->input(0)));
    Value* scores = softmax_input(weights);
    if (scores == nullptr) return {};
    note_only_reader(weights);
    take(weights->node());
    scores = skip_scale(through(scores), /*casts=*/true);
    if (!is_product(scores->node())) {
      if (!comes_from_product(scores)) return {};
      const std::string op = scores->node()->kind().toQualString();
      if (scores->node()->kind() == prim::If) problem("the scores get a mask or a bias in one branch");
      problem(op.find("add") != std::string::npos || op.find("mask") != std::string::npos ||
                      op == "aten::where"
                  ? fmt::format("the scores get a mask or a bias ({})", op)
                  : fmt::format("{} stands between the product and the softmax", op));
      found_.q = last_->input(0);
      return found_;
    }
    if (readers(scores) != 1) problem("the scores are read elsewhere, too");
    take(scores->node());
    found_.q = skip_scale(scores->node()->input(0), /*casts=*/false);
    found_.k = skip_scale(scores->node()->input(1), /*casts=*/false);
    skip_transposition();
    check_writes();
    return found_;
  }

 private:
  void problem(const std::string& text) {
    if (found_.problem.empty()) found_.problem = text;
  }

  void take(Node* node) {
    if (node->owningBlock() != last_->owningBlock()) problem("its ops are in different branches or loops");
    found_.nodes.push_back(node);
  }

  void note_only_reader(const Value* weights) {
    if (readers(weights) != 1) problem("the attention weights are read elsewhere, too");
  }

  std::optional<bool> decided(Node* branch) {
    const auto taken = values_.boolean(branch->input(0), {});
    if (taken) found_.decided.emplace_back(branch, *taken);
    return taken;
  }

  // The value that an output of a branch is on every run.
  Value* through(Value* value) {
    while (value->node()->kind() == prim::If) {
      const auto taken = decided(value->node());
      if (!taken) break;
      value = value->node()->blocks()[*taken ? 0 : 1]->outputs()[value->offset()];
    }
    return value;
  }

  // Uses outside of branches that are never taken.
  int64_t readers(const Value* value) {
    return std::count_if(value->uses().begin(), value->uses().end(), [&](const Use& use) {
      for (const Block* block = use.user->owningBlock(); block->owningNode() != nullptr;
           block = block->owningNode()->owningBlock()) {
        Node* owner = const_cast<Node*>(block->owningNode());
        const auto taken = owner->kind() == prim::If ? decided(owner) : std::nullopt;
        if (taken && owner->blocks()[*taken ? 0 : 1] != block) return false;
      }
      return true;
    });
  }

  // Casts between floating-point types, and dropout of a model in eval mode.
  Value* skip_dropout(Value* value) {
    for (;;) {
      Node* node = value->node();
      if (!is_cast(node) && node->kind() != aten::contiguous && !is_dropout(node)) return value;
      note_only_reader(value);
      take(node);
      value = through(
          node->input(node->kind() == prim::CallMethod || node->kind() == prim::CallFunction ? 1 : 0));
    }
  }

  bool is_dropout(const Node* node) const {
    if (node->kind() == aten::dropout) return values_.boolean(node->input(2), {}) == false;
    if (is_function(node, "dropout")) return values_.boolean(node->input(3), {}) == false;
    return is_torch_module(node, "dropout", "Dropout") || is_torch_module(node, "linear", "Identity");
  }

  // Null where value is no softmax over its last dimension.
  Value* softmax_input(const Value* value) const {
    const Node* node = value->node();
    if (node->kind() == aten::softmax && is_last(node->input(1))) return node->input(0);
    if (is_function(node, "softmax") && is_last(node->input(2))) return node->input(1);
    if (!is_torch_module(node, "activation", "Softmax")) return nullptr;
    const int module = model_.instance_of(node->input(0));
    if (module < 0) return nullptr;
    // A traced one has no attribute dim, and the number in its code.
    const Module& softmax = model_.instances()[module].module;
    if (softmax.hasattr("dim")) return softmax.attr("dim") == c10::IValue(-1) ? node->input(1) : nullptr;
    const int callee = model_.callee_of(node);
    const Node* inner = callee < 0 ? nullptr : model_.methods()[callee].graph->outputs()[0]->node();
    const bool last = inner != nullptr && inner->kind() == aten::softmax && is_last(inner->input(1));
    return last ? node->input(1) : nullptr;
  }

  // x * 0.125, x / 8
  Value* skip_scale(Value* value, bool casts) {
    for (;;) {
      Node* node = value->node();
      const bool scales =
          (node->kind() == aten::mul || node->kind() == aten::div) && node->inputs().size() == 2;
      if (scales && is_scalar(node->input(1)) && readers(value) == 1) {
        found_.factors.push_back({node->input(1), node->kind() == aten::div});
      } else if (!casts || !is_cast(node) || readers(value) != 1) {
        return value;
      }
      take(node);
      value = node->input(0);
    }
  }

  // Is a product behind this value, whatever is done to its result?
  static bool comes_from_product(const Value* value) {
    for (int step = 0; step < 8 && !value->node()->inputs().empty(); ++step) {
      const Node* node = value->node();
      if (is_product(node) || node->kind() == aten::baddbmm) return true;
      if (node->kind() == prim::If) {
        return std::any_of(node->blocks().begin(), node->blocks().end(), [&](const Block* block) {
          return comes_from_product(block->outputs()[value->offset()]);
        });
      }
      value = node->input(node->kind() == prim::CallFunction || node->kind() == prim::CallMethod
                              ? std::min<size_t>(1, node->inputs().size() - 1)
                              : 0);
    }
    return false;
  }

  // Dimensions that are counted from the front stay: how many there are is not known.
  void skip_transposition() {
    Node* node = found_.k->node();
    const auto dim = [&](size_t i) { return constant_as<int64_t>(node->input(i)).value_or(0); };
    const bool last_two =
        node->kind() == aten::mT || (node->kind() == aten::transpose && node->inputs().size() == 3 &&
                                     std::min(dim(1), dim(2)) == -2 && std::max(dim(1), dim(2)) == -1);
    found_.k_transposed = !last_two;
    if (!last_two) return;
    if (found_.k->uses().size() == 1) take(node);
    found_.k = node->input(0);
  }

  // q, k and v will be read where the last product is.
  void check_writes() {
    if (!found_.problem.empty()) return;
    Node* first = *std::min_element(found_.nodes.begin(), found_.nodes.end(),
                                    [](const Node* a, const Node* b) { return a->isBefore(b); });
    std::unique_ptr<AliasDb> aliases;
    for (Node* node = first; node != last_; node = node->next()) {
      if (std::find(found_.nodes.begin(), found_.nodes.end(), node) != found_.nodes.end()) continue;
      const FunctionSchema* schema = node->maybeSchema();
      if (node->blocks().empty() && schema != nullptr && !schema->is_mutable()) continue;
      if (!aliases) aliases = std::make_unique<AliasDb>(last_->owningGraph()->shared_from_this());
      if (aliases->writesToAlias(node, {found_.q, found_.k, found_.v}))
        problem("an op in between writes to what it reads");
    }
  }

  Node* last_;
  const ModelGraphs& model_;
  const CallValues& values_;
  ComposedAttention found_;
};

}  // namespace

ComposedAttention read_composed_attention(Node* node, const ModelGraphs& model, const CallValues& values) {
  return Reader(node, model, values).read();
}

}  // namespace vqt
