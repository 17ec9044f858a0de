// Free functions first, then methods, callees before callers.
#include "passes/ir/inline_functions.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <vector>

#include "passes/ir/convolutions.h"
#include "passes/ir/fast_path.h"
#include "passes/ir/products.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

GraphFunction* called_function(const Node* call) {
  if (call->kind() != prim::CallFunction) return nullptr;
  const auto type = call->input(0)->type()->cast<c10::FunctionType>();
  return type ? tryToGraphFunction(*type->function()) : nullptr;
}

// Its input 1 is the weight.
bool reads_weight(const Node* node) { return is_float_linear(node) || is_float_convolution(node); }

class Inliner {
 public:
  explicit Inliner(const ModelGraphs& model) : model_(model), done_(model.methods().size()) {}

  void run() {
    for (size_t i = 0; i < model_.methods().size(); ++i) run(static_cast<int>(i));
  }

 private:
  void run(int index) {
    if (done_[index]) return;
    done_[index] = true;  // TorchScript has no recursion
    Graph& graph = *model_.methods()[index].graph;
    bool changed = false;
    while (inline_one_round(graph, index)) changed = true;
    if (changed) {
      fold_branches(graph);
      EliminateDeadCode(model_.methods()[index].graph);
    }
    note_weight_arguments(index, graph);
  }

  bool inline_one_round(Graph& graph, int index) {
    std::vector<Node*> calls;
    std::set<const Node*> seen,
        returns_weight;  // calls whose result is the weight of a linear or convolution, or a part of it
    for_each_node(graph.block(), [&](Node* node) {
      if (node->kind() == prim::CallFunction || node->kind() == prim::CallMethod) calls.push_back(node);
      if (reads_weight(node)) {
        returns_weight.insert(weight_root(node->input(1))->node());
        find_weight_calls(node->input(1), seen, returns_weight);
      }
      for (const Value* operand : product_operands(node)) find_weight_calls(operand, seen, returns_weight);
    });
    if (weight_getters_.count(index)) {
      for (const Value* output : graph.outputs()) find_weight_calls(output, seen, returns_weight);
    }
    const std::vector<FastPath> fast_paths = find_fast_paths(model_, index);
    bool changed = false;
    for (Node* call : calls) {
      if (GraphFunction* function = called_function(call)) {
        const bool queries =
            enclosing_fast_path(fast_paths, call) < 0 && queries_weight_metadata(call, *function);
        if (!queries && !returns_weight.count(call) && !computes_layer(*function) &&
            !multiplies_parameter(call, *function))
          continue;
        function->ensure_defined();
        call->removeInput(0);
        inlineCallTo(call, function, function->graph().get());
        changed = true;
        continue;
      }
      const int callee = model_.callee_of(call);
      if (callee < 0) continue;
      run(callee);
      Graph& callee_graph = *model_.methods()[callee].graph;
      if (!returns_weight.count(call) && weight_arguments_[callee].empty() &&
          !passes_parameter(call, 0, callee_graph)) {
        continue;
      }
      if (returns_weight.count(call) && weight_getters_.insert(callee).second) {
        while (inline_one_round(callee_graph, callee)) {  // what it calls for the weight, too
        }
      }
      const auto& type = model_.instances()[model_.methods()[callee].instance].module.type();
      if (call->input(0)->type() != type) continue;  // through an interface
      Function* method = type->findMethod(call->s(attr::name));
      if (method == nullptr) method = type->findHook(call->s(attr::name));
      inlineCallTo(call, tryToGraphFunction(*method), &callee_graph);
      changed = true;
    }
    return changed;
  }

  bool computes_layer(GraphFunction& function) {
    const auto known = computes_layer_.find(&function);
    if (known != computes_layer_.end()) return known->second;
    bool found = false, product = false, softmax = false;
    function.ensure_defined();
    for_each_node(function.graph()->block(), [&](Node* node) {
      GraphFunction* inner = called_function(node);
      found = found || is_any_linear(node) || is_float_convolution(node) || is_quantized_convolution(node) ||
              node->kind() == aten::scaled_dot_product_attention ||
              (inner != nullptr && computes_layer(*inner));
      product = product || node->kind() == aten::matmul || node->kind() == aten::bmm;
      softmax = softmax || node->kind() == aten::softmax || (inner != nullptr && inner->name() == "softmax");
    });
    found = found || (product && softmax);  // a composed attention
    return computes_layer_[&function] = found;
  }

  // Calls that a value is computed with and that take nothing but parameters and modules: w + self.delta().
  static void find_weight_calls(const Value* value, std::set<const Node*>& seen,
                                std::set<const Node*>& calls) {
    const Node* node = value->node();
    if (!seen.insert(node).second) return;
    if (node->kind() == prim::CallMethod || node->kind() == prim::CallFunction) {
      if (takes_only_parameters(node)) calls.insert(node);
    } else if (is_alias_of_input(node) || is_pure(node) || node->kind() == prim::ListConstruct) {
      for (const Value* input : node->inputs()) find_weight_calls(input, seen, calls);
    }
  }

  static bool takes_only_parameters(const Node* node) {
    for (const Value* input : node->inputs()) {
      const Node* source = input->node();
      const bool computed = is_alias_of_input(source) || is_pure(source) ||
                            source->kind() == prim::ListConstruct || source->kind() == prim::CallMethod ||
                            source->kind() == prim::CallFunction;
      const bool self = source->kind() == prim::Param && input->type()->kind() == c10::TypeKind::ClassType;
      if (computed ? !takes_only_parameters(source)
                   : !self && source->kind() != prim::GetAttr && source->kind() != prim::Constant) {
        return false;
      }
    }
    return true;
  }

  bool multiplies_parameter(const Node* call, GraphFunction& function) {
    function.ensure_defined();
    return passes_parameter(call, 1, *function.graph());
  }

  // Is an argument of the call, from `first` on, a parameter that a product in the callee reads?
  bool passes_parameter(const Node* call, size_t first, Graph& callee) {
    for (size_t i = first; i < call->inputs().size(); ++i) {
      const Value* argument = call->inputs()[i];
      const Node* source = argument->node();
      while (source->kind() != prim::GetAttr && (is_alias_of_input(source) || is_pure(source)) &&
             !source->inputs().empty())
        source = source->input(0)->node();
      if (source->kind() != prim::GetAttr || !argument->type()->isSubtypeOf(*c10::TensorType::get()))
        continue;
      if (reaches_product(callee.inputs()[i - first])) return true;
    }
    return false;
  }

  static bool reaches_product(const Value* value) {
    for (const Use& use : value->uses()) {
      const std::vector<Value*> operands = product_operands(use.user);
      const bool in_list = !operands.empty() && value->type()->kind() == c10::TypeKind::ListType;
      if (in_list || std::find(operands.begin(), operands.end(), value) != operands.end()) return true;
      if (GraphFunction* function = called_function(use.user); function != nullptr && use.offset > 0) {
        function->ensure_defined();
        if (reaches_product(function->graph()->inputs()[use.offset - 1])) return true;
      }
      const bool stays = use.user->kind() == prim::ListConstruct || is_alias_of_input(use.user) ||
                         is_row_slice(use.user) || is_transposition(use.user);
      if (!stays) continue;
      for (const Value* output : use.user->outputs()) {
        if (reaches_product(output)) return true;
      }
    }
    return false;
  }

  // Does the call pass a tensor attribute to a function that uses only its metadata?
  static bool queries_weight_metadata(Node* call, GraphFunction& function) {
    for (size_t i = 1; i < call->inputs().size(); ++i) {
      const Value* passed = weight_root(call->inputs()[i]);
      if (passed->node()->kind() != prim::GetAttr || !passed->type()->isSubtypeOf(*c10::TensorType::get()))
        continue;
      function.ensure_defined();
      if (has_only_metadata_uses(function.graph()->inputs()[i - 1])) return true;
    }
    return false;
  }

  static bool has_only_metadata_uses(const Value* value) {
    for (const Use& use : value->uses()) {
      if (use.offset != 0) return false;
      if (is_metadata_use(use.user)) continue;
      if (!is_alias_of_input(use.user) || !has_only_metadata_uses(use.user->output())) return false;
    }
    return true;
  }

  void note_weight_arguments(int index, Graph& graph) {
    for_each_node(graph.block(), [&](Node* node) {
      if (!reads_weight(node)) return;
      const Value* root = weight_root(node->input(1));
      if (root->node()->kind() == prim::Param && root->node()->owningGraph() == &graph &&
          root->node()->owningBlock() == graph.block() && root->offset() > 0) {
        weight_arguments_[index].insert(root->offset());
      }
    });
  }

  const ModelGraphs& model_;
  std::vector<bool> done_;
  std::unordered_map<const Function*, bool> computes_layer_;
  std::set<int> weight_getters_;  // methods of which a call returns a weight
  std::unordered_map<int, std::set<size_t>>
      weight_arguments_;  // by method: inputs that a linear or convolution reads as weight
};

std::optional<bool> constant_bool(const Value* value) {
  const auto constant = toIValue(value);
  if (constant && constant->isBool()) return constant->toBool();
  const Node* node = value->node();
  if (node->kind() == aten::__not__) {
    const auto inner = constant_bool(node->input(0));
    return inner ? std::optional<bool>(!*inner) : std::nullopt;
  }
  if (node->kind() == aten::__is__ || node->kind() == aten::__isnot__) {
    const auto none = [&](size_t i) { return node->input(i)->type()->kind() == c10::TypeKind::NoneType; };
    const auto tensor = [&](size_t i) { return node->input(i)->type()->kind() == c10::TypeKind::TensorType; };
    if (none(0) && none(1)) return node->kind() == aten::__is__;
    if ((none(0) && tensor(1)) || (tensor(0) && none(1))) return node->kind() == aten::__isnot__;
  }
  return std::nullopt;
}

void fold_block(Block* block) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    const auto taken = node->kind() == prim::If ? constant_bool(node->input(0)) : std::nullopt;
    if (!taken) {
      for (Block* inner : node->blocks()) fold_block(inner);
      continue;
    }
    Block* branch = node->blocks()[*taken ? 0 : 1];
    fold_block(branch);
    for (auto inner = branch->nodes().begin(); inner != branch->nodes().end();) {
      Node* moved = *inner++;
      moved->moveBefore(node);
    }
    for (size_t i = 0; i < node->outputs().size(); ++i)
      node->output(i)->replaceAllUsesWith(branch->outputs()[i]);
    node->destroy();
  }
}

}  // namespace

void inline_functions(const ModelGraphs& model) { Inliner(model).run(); }

void fold_branches(Graph& graph) { fold_block(graph.block()); }

}  // namespace vqt
