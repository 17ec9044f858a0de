// Finds and cuts the branches to native attention ops.
#include "passes/ir/fast_path.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <set>

#include "passes/ir/inline_functions.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool makes_nested_tensor(const Node* node) {
  static const Symbol kKind = Symbol::fromQualString("aten::_nested_tensor_from_mask");
  return node->kind() == kKind;
}

// The block of a branch that does not take the fast path: it computes nothing, and among its outputs is false
// ("returned", "convert_to_nested"), a value that was never set, or the tensor to be nested.
bool is_untaken(const Block* block, const Value* to_nest) {
  for (const Node* node : block->nodes()) {
    if (node->kind() != prim::Constant && node->kind() != prim::Uninitialized) return false;
  }
  return std::any_of(block->outputs().begin(), block->outputs().end(), [&](const Value* output) {
    if (output == to_nest || output->node()->kind() == prim::Uninitialized) return true;
    const auto constant = toIValue(output);
    return constant && constant->isBool() && !constant->toBool();
  });
}

// Does it run a linear? Then it is not a fast path but an inlined layer around one.
bool has_linear(const ModelGraphs& model, Block* block) {
  bool found = false;
  for_each_node(block, [&](Node* node) {
    if (found) return;
    if (is_any_linear(node)) found = true;
    if (const int callee = model.callee_of(node); callee >= 0) {
      found = has_linear(model, model.methods()[callee].graph->block());
    }
    if (node->kind() != prim::CallFunction) return;
    const auto type = node->input(0)->type()->cast<c10::FunctionType>();
    GraphFunction* function = type ? tryToGraphFunction(*type->function()) : nullptr;
    if (function == nullptr) return;
    function->ensure_defined();
    found = has_linear(model, function->graph()->block());
  });
  return found;
}

FastPath outermost_branch(const ModelGraphs& model, Node* native) {
  FastPath path;
  const Value* to_nest = makes_nested_tensor(native) ? native->input(0) : nullptr;
  for (Block* block = native->owningBlock(); block->owningNode() != nullptr;) {
    Node* branch = block->owningNode();
    if (branch->kind() != prim::If || has_linear(model, block)) break;
    const size_t index = branch->blocks()[0] == block ? 0 : 1;
    if (!is_untaken(branch->blocks()[1 - index], to_nest)) break;
    path.branch = branch;
    path.block = index;
    block = branch->owningBlock();
  }
  return path;
}

}  // namespace

bool is_native_attention(const Node* node) {
  static const Symbol kAttention = Symbol::fromQualString("aten::_native_multi_head_attention");
  static const Symbol kLayer = Symbol::fromQualString("aten::_transformer_encoder_layer_fwd");
  return node->kind() == kAttention || node->kind() == kLayer;
}

std::vector<FastPath> find_fast_paths(const ModelGraphs& model, int method) {
  std::vector<FastPath> paths;
  for_each_node(model.methods()[method].graph->block(), [&](Node* node) {
    if (!is_native_attention(node) && !makes_nested_tensor(node)) return;
    FastPath path = outermost_branch(model, node);
    if (path.branch == nullptr) return;  // traced: there is no other branch
    for (const FastPath& known : paths) {
      if (known.branch == path.branch) return;
    }
    path.method = method;
    path.makes_nested_tensor = makes_nested_tensor(node);
    paths.push_back(path);
  });
  return paths;
}

std::vector<FastPath> find_fast_paths(const ModelGraphs& model) {
  std::vector<FastPath> paths;
  for (size_t i = 0; i < model.methods().size(); ++i) {
    const auto found = find_fast_paths(model, static_cast<int>(i));
    paths.insert(paths.end(), found.begin(), found.end());
  }
  return paths;
}

int enclosing_fast_path(const std::vector<FastPath>& paths, const Node* node) {
  for (const Block* block = node->owningBlock(); block != nullptr && block->owningNode() != nullptr;
       block = block->owningNode()->owningBlock()) {
    for (size_t i = 0; i < paths.size(); ++i) {
      if (paths[i].branch->blocks()[paths[i].block] == block) return static_cast<int>(i);
    }
  }
  return -1;
}

void cut_fast_paths(const ModelGraphs& model, const std::vector<FastPath>& paths) {
  std::set<int> methods;
  for (const FastPath& path : paths) {  // all conditions first: cleaning up may remove nodes of other paths
    const WithInsertPoint guard(path.branch);
    path.branch->replaceInput(0, path.branch->owningGraph()->insertConstant(path.block == 1));
    methods.insert(path.method);
  }
  for (const int method : methods) {
    fold_branches(*model.methods()[method].graph);
    EliminateDeadCode(model.methods()[method].graph);
  }
}

}  // namespace vqt
